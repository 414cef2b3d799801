//! Jute, the encoding under every ZooKeeper record: one cursor, one trait, and nothing else knows
//! about offsets.
//!
//! A [`Reader`] walks a shared buffer and hands out payload as slices of it, so a value is copied
//! only by whoever wants to keep it longer than its frame. Every length is compared with the bytes
//! that are really there before anything is allocated: a peer that claims two billion children in a
//! frame of ten bytes costs an error, not memory.

use std::fmt;
use std::ops::Deref;

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::DecodeError;

/// A value with a Jute encoding: integers, text, buffers, vectors, and the records made of them.
///
/// Decoding an encoded value gives the value back. Encoding never fails: lengths above `i32::MAX`
/// cannot occur, because a frame that large is refused long before.
pub trait Record: Sized {
    /// The fewest bytes an encoded value takes; bounds how many elements a vector may claim.
    const LEN_MIN: usize;

    /// Appends the encoded value.
    fn encode(&self, out: &mut BytesMut);

    /// Reads one value and moves the cursor behind it; on an error the cursor's place is unspecified.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Encodes into a buffer of its own.
    fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.encode(&mut out);
        out.freeze()
    }

    /// Reads one value from the start of `bytes`; what follows it is ignored, as Apache's servers
    /// and clients ignore it.
    fn from_bytes(bytes: &Bytes) -> Result<Self, DecodeError> {
        Self::decode(&mut Reader::new(bytes))
    }
}

/// A cursor over a shared buffer.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    whole: &'a Bytes,
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    /// A cursor over all of `whole`.
    pub fn new(whole: &'a Bytes) -> Self {
        Self {
            whole,
            at: 0,
            end: whole.len(),
        }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.end - self.at
    }

    /// What is left, without moving the cursor.
    pub fn rest(&self) -> &'a [u8] {
        &self.whole[self.at..self.end]
    }

    /// What is left as a slice that shares the buffer, without moving the cursor.
    pub fn rest_shared(&self) -> Bytes {
        self.whole.slice(self.at..self.end)
    }

    /// A cursor over the next `len` bytes alone; this cursor moves behind them.
    pub fn sub(&mut self, len: usize) -> Result<Reader<'a>, DecodeError> {
        self.need(len)?;
        let sub = Reader {
            whole: self.whole,
            at: self.at,
            end: self.at + len,
        };
        self.at += len;
        Ok(sub)
    }

    /// The next `N` bytes.
    pub fn take_array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.need(N)?;
        let mut array = [0; N];
        array.copy_from_slice(&self.whole[self.at..self.at + N]);
        self.at += N;
        Ok(array)
    }

    /// The next `len` bytes as a slice that shares the buffer.
    pub fn take_shared(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        self.need(len)?;
        let slice = self.whole.slice(self.at..self.at + len);
        self.at += len;
        Ok(slice)
    }

    fn need(&self, need: usize) -> Result<(), DecodeError> {
        let have = self.remaining();
        if need > have {
            Err(DecodeError::Truncated { need, have })
        } else {
            Ok(())
        }
    }

    /// A length prefix: `None` for the null of -1.
    fn take_len(&mut self) -> Result<Option<usize>, DecodeError> {
        match i32::decode(self)? {
            -1 => Ok(None),
            length => match usize::try_from(length) {
                Ok(len) => {
                    self.need(len)?;
                    Ok(Some(len))
                }
                Err(_) => Err(DecodeError::NegativeLength(length)),
            },
        }
    }
}

macro_rules! integer {
    ($type:ty, $put:ident) => {
        impl Record for $type {
            const LEN_MIN: usize = size_of::<$type>();

            fn encode(&self, out: &mut BytesMut) {
                out.$put(*self);
            }

            fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                reader.take_array().map(<$type>::from_be_bytes)
            }
        }
    };
}

integer!(i8, put_i8);
integer!(i32, put_i32);
integer!(i64, put_i64);

impl Record for bool {
    const LEN_MIN: usize = 1;

    fn encode(&self, out: &mut BytesMut) {
        out.put_u8(u8::from(*self));
    }

    /// Any byte but 0 is true, as in Java.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(reader.take_array::<1>()?[0] != 0)
    }
}

/// UTF-8 text that shares the buffer it was read from; cheap to clone, at home in any thread.
///
/// Bytes that are not UTF-8 become U+FFFD on reading, as many as in Java; such a path is refused
/// later for that character.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteStr(Bytes);

impl ByteStr {
    /// Text known at compile time, without an allocation.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked when the value was made")
    }

    /// The text's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn from_utf8(bytes: Bytes) -> Self {
        match std::str::from_utf8(&bytes) {
            Ok(_) => Self(bytes),
            Err(_) => Self(Bytes::from(replace_malformed(&bytes))),
        }
    }
}

/// What Java's decoder makes of bytes that are not UTF-8.
///
/// Both Java and Rust write one U+FFFD for as much of a character as has come, but to Java half of
/// a surrogate pair is a character, of which nothing is then kept; to Rust it is three bytes that
/// have no business there. Java's own output contains such halves.
fn replace_malformed(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut half_len = 0;
    for chunk in bytes.utf8_chunks() {
        if !chunk.valid().is_empty() {
            text.push_str(chunk.valid());
            half_len = 0;
        }
        half_len = match (half_len, chunk.invalid()) {
            (1, [0xa0..=0xbf]) => 2,
            (2, [0x80..=0xbf]) => 0,
            (_, invalid) => {
                if !invalid.is_empty() {
                    text.push(char::REPLACEMENT_CHARACTER);
                }
                usize::from(invalid == [0xed])
            }
        };
    }
    text
}

impl Deref for ByteStr {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for ByteStr {
    fn as_ref(&self) -> &str {
        self
    }
}

impl From<&str> for ByteStr {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for ByteStr {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

impl PartialEq<str> for ByteStr {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for ByteStr {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl fmt::Debug for ByteStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for ByteStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// Appends a length prefix and the bytes.
pub(crate) fn put_buffer(bytes: &[u8], out: &mut BytesMut) {
    out.put_i32(bytes.len() as i32);
    out.put_slice(bytes);
}

impl Record for ByteStr {
    const LEN_MIN: usize = 4;

    fn encode(&self, out: &mut BytesMut) {
        put_buffer(&self.0, out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Option::<ByteStr>::decode(reader)?.ok_or(DecodeError::Null)
    }
}

impl Record for Option<ByteStr> {
    const LEN_MIN: usize = 4;

    fn encode(&self, out: &mut BytesMut) {
        match self {
            Some(text) => text.encode(out),
            None => out.put_i32(-1),
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.take_len()? {
            Some(len) => Ok(Some(ByteStr::from_utf8(reader.take_shared(len)?))),
            None => Ok(None),
        }
    }
}

/// A buffer; null and empty are different values, and a znode's data keeps the difference.
impl Record for Option<Bytes> {
    const LEN_MIN: usize = 4;

    fn encode(&self, out: &mut BytesMut) {
        match self {
            Some(bytes) => put_buffer(bytes, out),
            None => out.put_i32(-1),
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.take_len()? {
            Some(len) => Ok(Some(reader.take_shared(len)?)),
            None => Ok(None),
        }
    }
}

impl<T: Record> Record for Option<Vec<T>> {
    const LEN_MIN: usize = 4;

    fn encode(&self, out: &mut BytesMut) {
        match self {
            Some(items) => items.encode(out),
            None => out.put_i32(-1),
        }
    }

    /// Null is -1; any other negative count is an empty vector, as in Java.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = i32::decode(reader)?;
        if count == -1 {
            return Ok(None);
        }
        let count = usize::try_from(count).unwrap_or(0);
        let need = count.saturating_mul(T::LEN_MIN);
        reader.need(need)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(T::decode(reader)?);
        }
        Ok(Some(items))
    }
}

impl<T: Record> Record for Vec<T> {
    const LEN_MIN: usize = 4;

    fn encode(&self, out: &mut BytesMut) {
        out.put_i32(self.len() as i32);
        for item in self {
            item.encode(out);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Option::<Vec<T>>::decode(reader)?.ok_or(DecodeError::Null)
    }
}

/// Declares a record: a struct whose encoding is its fields in order, as in `zookeeper.jute`.
macro_rules! record {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $crate::codec::Record for $name {
            const LEN_MIN: usize = 0 $(+ <$type as $crate::codec::Record>::LEN_MIN)*;

            fn encode(&self, out: &mut bytes::BytesMut) {
                $($crate::codec::Record::encode(&self.$field, out);)*
                let _ = out;
            }

            fn decode(
                reader: &mut $crate::codec::Reader<'_>,
            ) -> Result<Self, $crate::error::DecodeError> {
                let _ = &reader;
                Ok(Self { $($field: $crate::codec::Record::decode(reader)?,)* })
            }
        }
    )*};
}

pub(crate) use record;
