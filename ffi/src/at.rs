//! A recipe at a path, named anew by each call: most are a path and nothing else.

use std::ffi::c_char;
use std::sync::Arc;

use client::Client;

use crate::connection::lk_client_t;
use crate::error::Fault;
use crate::handle::borrow;
use crate::session::Session;
use crate::text::text;

pub(crate) struct At<'a, R> {
    pub(crate) session: &'a Arc<Session>,
    pub(crate) path: &'a str,
    pub(crate) recipe: R,
}

impl<'a, R> At<'a, R> {
    /// # Safety
    ///
    /// That of [`borrow`] for the client and of [`text`] for the path.
    pub(crate) unsafe fn new<E: Into<Fault>>(
        client: *const lk_client_t,
        path: *const c_char,
        path_len: isize,
        make: impl FnOnce(&Client, &str) -> Result<R, E>,
    ) -> Result<Self, Fault> {
        // SAFETY: the caller vouches for both.
        let (client, path) = unsafe { (borrow(client)?, text("path", path, path_len)?) };
        Ok(Self {
            session: &client.session,
            path,
            recipe: make(&client.session.client, path).map_err(|error| error.into().at(path))?,
        })
    }
}
