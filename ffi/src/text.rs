//! Strings and bytes on their way in and out.

use std::ffi::{CStr, c_char, c_void};
use std::slice;
use std::str;

use crate::error::Fault;

/// A string that belongs to the object it was asked of. A NUL follows it; never a NULL pointer.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lk_str_t {
    /// UTF-8.
    pub ptr: *const c_char,
    /// Bytes without the NUL.
    pub len: usize,
}

/// Bytes that belong to the object they were asked of. `ptr` is NULL for data that is null, which
/// other clients can write; data of no bytes has a pointer.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lk_bytes_t {
    /// The first byte, or NULL.
    pub ptr: *const u8,
    /// How many there are.
    pub len: usize,
}

impl lk_str_t {
    pub(crate) const EMPTY: Self = Self {
        ptr: c"".as_ptr(),
        len: 0,
    };
}

impl lk_bytes_t {
    pub(crate) const NULL: Self = Self {
        ptr: std::ptr::null(),
        len: 0,
    };

    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self {
            ptr: bytes.as_ptr(),
            len: bytes.len(),
        }
    }
}

/// A string with the NUL that C wants behind it.
#[derive(Clone, Debug)]
pub(crate) struct Text(Box<[u8]>);

impl Text {
    pub(crate) fn view(&self) -> lk_str_t {
        lk_str_t {
            ptr: self.0.as_ptr().cast(),
            len: self.0.len() - 1,
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let mut bytes = Vec::with_capacity(text.len() + 1);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
        Self(bytes.into())
    }
}

/// Reads a string argument; `name` is what to call it in the error.
///
/// # Safety
///
/// `ptr` is NULL, or points to `len` bytes, or for a `len` of -1 to bytes up to a NUL; they do not
/// change before the result is dropped.
pub(crate) unsafe fn text<'a>(
    name: &str,
    ptr: *const c_char,
    len: isize,
) -> Result<&'a str, Fault> {
    if ptr.is_null() {
        return Err(Fault::invalid(format!("{name} is NULL")));
    }
    let bytes = match len {
        // SAFETY: the caller vouches for a NUL.
        -1 => unsafe { CStr::from_ptr(ptr) }.to_bytes(),
        // SAFETY: the caller vouches for this many bytes.
        0.. => unsafe { slice::from_raw_parts(ptr.cast(), len.unsigned_abs()) },
        _ => {
            let text = format!("length of {name} is {len}; only -1 stands for a NUL at the end");
            return Err(Fault::invalid(text));
        }
    };
    str::from_utf8(bytes).map_err(|_| Fault::invalid(format!("{name} is not UTF-8")))
}

/// As [`text`], for a string that may be NULL.
///
/// # Safety
///
/// That of [`text`].
pub(crate) unsafe fn text_if_any<'a>(
    name: &str,
    ptr: *const c_char,
    len: isize,
) -> Result<Option<&'a str>, Fault> {
    match ptr.is_null() {
        true => Ok(None),
        // SAFETY: the caller vouches for the string.
        false => unsafe { text(name, ptr, len) }.map(Some),
    }
}

/// Reads a data argument; NULL with no bytes is empty.
///
/// # Safety
///
/// `ptr` is NULL or points to `len` bytes, which do not change before the result is dropped.
pub(crate) unsafe fn data<'a>(
    name: &str,
    ptr: *const c_void,
    len: usize,
) -> Result<&'a [u8], Fault> {
    match (ptr.is_null(), isize::try_from(len)) {
        (true, Ok(0)) => Ok(&[]),
        (true, _) => Err(Fault::invalid(format!("{name} is NULL"))),
        (_, Err(_)) => Err(Fault::invalid(format!("length of {name} is {len}"))),
        // SAFETY: the caller vouches for this many bytes.
        (false, Ok(_)) => Ok(unsafe { slice::from_raw_parts(ptr.cast(), len) }),
    }
}
