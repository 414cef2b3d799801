//! What the deframer does with lengths: it judges each as soon as it is there, and an announcement
//! costs no memory.

#[path = "support/peak.rs"]
mod peak;

use bytes::{BufMut, BytesMut};
use lockkeeper_wire::frame::{self, FRAME_LEN_MAX};
use lockkeeper_wire::{Deframer, FrameError};

fn deframer(bytes: &[u8]) -> Deframer {
    let mut deframer = Deframer::new();
    deframer.buffer_mut().extend_from_slice(bytes);
    deframer
}

#[test]
fn nothing_comes_of_nothing() {
    let mut deframer = Deframer::new();
    assert_eq!(deframer.next_frame(FRAME_LEN_MAX), Ok(None));
    assert_eq!(deframer.buffered(), b"");
}

#[test]
fn a_prefix_in_parts_is_no_frame_and_no_error() {
    // Even of a length that is an error once it is whole.
    for prefix in [[0x00, 0x00, 0x00, 0x01], [0xff, 0xff, 0xff, 0xff]] {
        for len in 0..prefix.len() {
            let mut deframer = deframer(&prefix[..len]);
            assert_eq!(deframer.next_frame(FRAME_LEN_MAX), Ok(None));
            assert_eq!(deframer.buffered(), &prefix[..len]);
        }
    }
}

#[test]
fn negative_lengths_are_errors() {
    for len in [-1, -2, i32::MIN, i32::MIN + 1] {
        let error = Err(FrameError::Negative(len));
        assert_eq!(
            deframer(&len.to_be_bytes()).next_frame(FRAME_LEN_MAX),
            error
        );
        assert_eq!(deframer(&len.to_be_bytes()).next_frame(usize::MAX), error);
    }
}

#[test]
fn lengths_above_the_limit_are_errors_before_the_payload_comes() {
    let max = FRAME_LEN_MAX;
    for len in [max + 1, i32::MAX as usize] {
        let prefix = (len as i32).to_be_bytes();
        assert_eq!(
            deframer(&prefix).next_frame(max),
            Err(FrameError::TooLong { len, max })
        );
    }
    assert_eq!(
        deframer(&[0, 0, 0, 1]).next_frame(0),
        Err(FrameError::TooLong { len: 1, max: 0 })
    );
}

#[test]
fn errors_repeat() {
    for len in [-1, i32::MIN, FRAME_LEN_MAX as i32 + 1, i32::MAX] {
        let mut deframer = deframer(&len.to_be_bytes());
        let first = deframer.next_frame(FRAME_LEN_MAX);
        assert!(first.is_err());
        for _ in 0..3 {
            deframer.buffer_mut().extend_from_slice(&[0; 64]);
            assert_eq!(deframer.next_frame(FRAME_LEN_MAX), first);
        }
    }
}

#[test]
fn frames_before_an_error_are_given_out() {
    let mut deframer = deframer(b"\x00\x00\x00\x02ab\xff\xff\xff\xff");
    let payload = deframer.next_frame(FRAME_LEN_MAX).expect("a frame");
    assert_eq!(payload.as_deref(), Some(&b"ab"[..]));
    assert_eq!(
        deframer.next_frame(FRAME_LEN_MAX),
        Err(FrameError::Negative(-1))
    );
}

/// Whether an empty frame means anything is for its reader to say; no message is empty.
#[test]
fn a_length_of_zero_is_an_empty_frame() {
    let mut deframer = deframer(&[0; 9]);
    for _ in 0..2 {
        let payload = deframer.next_frame(FRAME_LEN_MAX).expect("a frame");
        assert_eq!(payload.as_deref(), Some(&b""[..]));
    }
    assert_eq!(deframer.next_frame(FRAME_LEN_MAX), Ok(None));
    assert_eq!(deframer.buffered(), [0]);
}

#[test]
fn the_longest_frame_is_accepted_to_the_byte() {
    for max in [1, 5, FRAME_LEN_MAX] {
        let mut stream = BytesMut::new();
        frame::encode(&mut stream, |out| out.put_bytes(7, max));
        let (last, most) = stream.split_last().expect("not empty");

        let mut deframer = deframer(most);
        assert_eq!(deframer.next_frame(max), Ok(None));
        deframer.buffer_mut().put_u8(*last);
        let payload = deframer.next_frame(max).expect("a frame");
        assert_eq!(payload.map(|payload| payload.len()), Some(max));

        frame::encode(&mut stream, |out| out.put_bytes(7, max + 1));
        let mut deframer = Deframer::new();
        deframer.buffer_mut().extend_from_slice(&stream);
        assert!(deframer.next_frame(max).is_ok());
        assert_eq!(
            deframer.next_frame(max),
            Err(FrameError::TooLong { len: max + 1, max })
        );
    }
}

#[test]
fn an_announcement_reserves_nothing() {
    let announced = (FRAME_LEN_MAX as i32).to_be_bytes();
    let (_, held) = peak::peak(|| {
        let mut deframer = deframer(&announced);
        assert_eq!(deframer.next_frame(FRAME_LEN_MAX), Ok(None));
        deframer
    });
    assert!(held <= 64, "{held} bytes for a length of four");

    // The buffer at most doubles, and while it does, its old place is held too.
    let mut sent = announced.len();
    let (_, held) = peak::peak(|| {
        let mut deframer = deframer(&announced);
        for chunk in [1usize, 10, 100, 1000, 10_000] {
            deframer.buffer_mut().put_bytes(0, chunk);
            sent += chunk;
            assert_eq!(deframer.next_frame(FRAME_LEN_MAX), Ok(None));
        }
        deframer
    });
    assert!(held <= 3 * sent + 64, "{held} bytes for {sent}");
}

#[test]
fn a_payload_shares_the_buffer() {
    const LEN: usize = 100_000;
    let mut stream = BytesMut::new();
    frame::encode(&mut stream, |out| out.put_bytes(7, LEN));
    let mut deframer = deframer(&stream);
    let (_, held) = peak::peak(|| {
        let payload = deframer.next_frame(FRAME_LEN_MAX).expect("a frame");
        assert_eq!(payload.as_ref().map(|payload| payload.len()), Some(LEN));
        payload
    });
    assert!(held <= 64, "{held} bytes to cut {LEN}");
}
