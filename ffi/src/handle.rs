//! Objects that C holds by pointer: how they are given out, looked at and taken back.
//!
//! An object remembers the process that made it. In a forked child the threads behind it are gone
//! and its locks may be held for ever, so it is refused before anything of it is touched, and
//! `free` leaves it as it is: what it holds open closes with the child or at its exec.

use std::ptr;

use crate::error::Fault;
use crate::status::LK_EFORKED;

/// The process that made an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Maker(u32);

impl Maker {
    pub(crate) fn this() -> Self {
        Self(std::process::id())
    }

    fn is_this(self) -> bool {
        self.0 == std::process::id()
    }
}

/// What C may hold a pointer to.
pub(crate) trait Object {
    /// What to call it in errors.
    const NAME: &'static str;

    /// The process it must stay in; `None` for plain memory, which is good on both sides of a
    /// fork.
    fn maker(&self) -> Option<Maker>;
}

fn is_foreign(object: &impl Object) -> bool {
    object.maker().is_some_and(|maker| !maker.is_this())
}

/// Looks at an object.
///
/// # Safety
///
/// `ptr` is NULL or came from [`Out::give`] and has not been freed; it is not freed before the
/// result is dropped.
pub(crate) unsafe fn borrow<'a, T: Object>(ptr: *const T) -> Result<&'a T, Fault> {
    // SAFETY: the caller vouches for a pointer that is not NULL.
    match unsafe { ptr.as_ref() } {
        None => Err(Fault::invalid(format!("{} is NULL", T::NAME))),
        Some(object) if is_foreign(object) => {
            let text = format!("{} was made before a fork: make a new one", T::NAME);
            Err(Fault::new(LK_EFORKED, text))
        }
        Some(object) => Ok(object),
    }
}

/// Looks at an object that only one thread uses, to change it.
///
/// # Safety
///
/// As [`borrow`], and no other thread uses the object meanwhile.
pub(crate) unsafe fn borrow_mut<'a, T: Object>(ptr: *mut T) -> Result<&'a mut T, Fault> {
    // SAFETY: the caller vouches for what `borrow` asks.
    unsafe { borrow(ptr) }?;
    // SAFETY: the caller vouches for the pointer and for being alone.
    Ok(unsafe { &mut *ptr })
}

/// Takes an object back. Gives nothing for NULL, nor for an object of another process, which stays.
///
/// # Safety
///
/// `ptr` is NULL or came from [`Out::give`], and nobody uses it any more.
pub(crate) unsafe fn take<T: Object>(ptr: *mut T) -> Option<Box<T>> {
    // SAFETY: the caller vouches for a pointer that is not NULL.
    let object = unsafe { ptr.as_ref() }?;
    if is_foreign(object) {
        return None;
    }
    // SAFETY: `Out::give` made the pointer of a box, and this is its only end.
    Some(unsafe { Box::from_raw(ptr) })
}

/// Where a new object goes. Holds NULL until there is one, so a failed call leaves NULL.
pub(crate) struct Out<T> {
    slot: *mut *mut T,
}

impl<T> Out<T> {
    /// # Safety
    ///
    /// `slot` is NULL or points to room for a pointer, for as long as the result lives.
    pub(crate) unsafe fn new(slot: *mut *mut T) -> Result<Self, Fault> {
        if slot.is_null() {
            return Err(Fault::invalid("where to put the result is NULL"));
        }
        // SAFETY: the caller vouches for the room.
        unsafe { slot.write(ptr::null_mut()) };
        Ok(Self { slot })
    }

    /// As [`Out::new`], for an object that the caller may do without: then `slot` is NULL.
    ///
    /// # Safety
    ///
    /// That of [`Out::new`].
    pub(crate) unsafe fn wanted(slot: *mut *mut T) -> Option<Self> {
        // SAFETY: the caller vouches for the room.
        unsafe { Self::new(slot) }.ok()
    }

    pub(crate) fn give(self, object: T) {
        // SAFETY: whoever made `self` vouched for the room.
        unsafe { self.slot.write(give(object)) };
    }
}

/// Gives an object to C, which frees it.
pub(crate) fn give<T>(object: T) -> *mut T {
    Box::into_raw(Box::new(object))
}

/// Puts a plain value where C wants it.
///
/// # Safety
///
/// `slot` is NULL or points to room for a value.
pub(crate) unsafe fn put<T>(slot: *mut T, value: T) -> Result<(), Fault> {
    if slot.is_null() {
        return Err(Fault::invalid("where to put the result is NULL"));
    }
    // SAFETY: the caller vouches for the room.
    unsafe { slot.write(value) };
    Ok(())
}

/// As [`put`], for a value that the caller may do without: then `slot` is NULL.
///
/// # Safety
///
/// That of [`put`].
pub(crate) unsafe fn put_if_wanted<T>(slot: *mut T, value: T) {
    // SAFETY: the caller vouches for the room; without any there is nothing to do.
    let _ = unsafe { put(slot, value) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::LK_EINVAL;

    struct Thing(Option<Maker>);

    impl Object for Thing {
        const NAME: &'static str = "thing";

        fn maker(&self) -> Option<Maker> {
            self.0
        }
    }

    #[test]
    fn objects_of_another_process_are_refused_and_kept() {
        let mut thing = Thing(Some(Maker(std::process::id() + 1)));
        // SAFETY: the thing lives in this frame, and `take` refuses it.
        unsafe {
            assert!(matches!(borrow(&thing), Err(fault) if fault == Fault::new(
                LK_EFORKED,
                "thing was made before a fork: make a new one",
            )));
            assert!(take(&raw mut thing).is_none());
            thing.0 = None;
            assert!(borrow(&thing).is_ok());
        }
    }

    #[test]
    fn null_is_no_object() {
        // SAFETY: NULL is allowed.
        unsafe {
            let null = Fault::new(LK_EINVAL, "thing is NULL");
            assert_eq!(borrow::<Thing>(ptr::null()).err(), Some(null));
            assert!(take::<Thing>(ptr::null_mut()).is_none());
            assert!(Out::<Thing>::new(ptr::null_mut()).is_err());
        }
    }
}
