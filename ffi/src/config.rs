//! What a client is made with. Plain memory, so it serves on both sides of a fork.

use std::ffi::{c_char, c_void};
use std::time::Duration;

use client::{Builder, Client};

use crate::error::{Fault, entry, entry_or};
use crate::handle::{Maker, Object, Out, borrow_mut, take};
use crate::status::lk_status_t;
use crate::text::{data, text};

/// Settings for clients. Only one thread at a time may use it; connecting reads it and leaves it
/// as it is, so it may serve for the next client too. May be used on both sides of a fork.
pub struct lk_config_t {
    connect: String,
    session_timeout: Option<Duration>,
    connect_timeout: Option<Duration>,
    auth: Vec<(String, Vec<u8>)>,
    pub(crate) is_dispatched: bool,
}

impl Object for lk_config_t {
    const NAME: &'static str = "config";

    fn maker(&self) -> Option<Maker> {
        None
    }
}

impl lk_config_t {
    pub(crate) fn builder(&self) -> Builder {
        let mut builder = Client::builder(self.connect.as_str());
        if let Some(timeout) = self.session_timeout {
            builder = builder.session_timeout(timeout);
        }
        if let Some(timeout) = self.connect_timeout {
            builder = builder.connect_timeout(timeout);
        }
        for (scheme, credential) in &self.auth {
            builder = builder.auth(scheme.as_str(), credential.clone());
        }
        builder
    }
}

/// Settings for a client of `host:port[,host:port]*[/chroot]`.
///
/// The string is copied and read when connecting. Never blocks. Fails with `LK_EINVAL`.
///
/// @param out  where the object goes; the caller frees it with `lk_config_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_config_new(
    connect: *const c_char,
    connect_len: isize,
    out: *mut *mut lk_config_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a string and for room for the result.
        let (out, connect) = unsafe {
            (
                Out::new(out)?,
                text("connect string", connect, connect_len)?,
            )
        };
        out.give(lk_config_t {
            connect: connect.to_owned(),
            session_timeout: None,
            connect_timeout: None,
            auth: Vec::new(),
            is_dispatched: false,
        });
        Ok(())
    })
}

/// The session timeout to ask for, 1 ms to 2^31 - 1 ms; 10 s if this is not called. Servers bring
/// it into their own limits. Never blocks. Fails with `LK_EINVAL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_config_session_timeout(
    config: *mut lk_config_t,
    timeout_ms: i64,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a config that no other thread uses.
        let config = unsafe { borrow_mut(config)? };
        let timeout_ms = i32::try_from(timeout_ms)
            .ok()
            .and_then(|timeout_ms| u64::try_from(timeout_ms).ok())
            .filter(|&timeout_ms| timeout_ms > 0)
            .ok_or_else(|| Fault::invalid("session timeout must be from 1 ms to 2^31 - 1 ms"))?;
        config.session_timeout = Some(Duration::from_millis(timeout_ms));
        Ok(())
    })
}

/// How long connecting may take, ms, or `LK_FOREVER`; 30 s if this is not called. Never blocks.
/// Fails with `LK_EINVAL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_config_connect_timeout(
    config: *mut lk_config_t,
    timeout_ms: i64,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a config that no other thread uses.
        let config = unsafe { borrow_mut(config)? };
        config.connect_timeout = Some(crate::wait::timeout(timeout_ms).unwrap_or(Duration::MAX));
        Ok(())
    })
}

/// A credential to show to every server, such as `digest` and `user:password`; may be called
/// again for another one. Both are copied. Never blocks. Fails with `LK_EINVAL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_config_auth(
    config: *mut lk_config_t,
    scheme: *const c_char,
    scheme_len: isize,
    credential: *const c_void,
    credential_len: usize,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a config that no other thread uses, and for the bytes.
        let (config, scheme, credential) = unsafe {
            (
                borrow_mut(config)?,
                text("scheme", scheme, scheme_len)?,
                data("credential", credential, credential_len)?,
            )
        };
        config.auth.push((scheme.to_owned(), credential.to_owned()));
        Ok(())
    })
}

/// Whether callbacks wait for `lk_dispatch`, where they run on a thread of the caller's, such as one
/// with an event loop; if not, or if this is not called, they run on a thread `lk-callback`. Never
/// blocks. Fails with `LK_EINVAL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_config_dispatch(
    config: *mut lk_config_t,
    dispatch: bool,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a config that no other thread uses.
        let config = unsafe { borrow_mut(config)? };
        config.is_dispatched = dispatch;
        Ok(())
    })
}

/// Frees settings; NULL is allowed. Clients that were made with them go on. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_config_free(config: *mut lk_config_t) {
    entry_or((), || {
        // SAFETY: the header asks for NULL or a config that nobody uses any more.
        drop(unsafe { take(config) });
    });
}
