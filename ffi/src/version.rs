//! Which library this is, to be compared with the header a program was compiled with.

use std::ffi::c_char;

/// Number of the ABI: programs run with a library of the same number, if it is not older than
/// their header. It is part of the shared library's name.
pub const LK_ABI_VERSION: u32 = 0;

/// First number of the header's version.
pub const LK_VERSION_MAJOR: u32 = 0;

/// Second number of the header's version.
pub const LK_VERSION_MINOR: u32 = 1;

/// Third number of the header's version.
pub const LK_VERSION_PATCH: u32 = 0;

/// The ABI of the library that is running, to be compared with `LK_ABI_VERSION`.
#[unsafe(no_mangle)]
pub extern "C" fn lk_abi_version() -> u32 {
    LK_ABI_VERSION
}

/// The version of the library that is running, `0xMMmmpp00`, to be compared with
/// `LK_VERSION_NUMBER`.
#[unsafe(no_mangle)]
pub extern "C" fn lk_version_number() -> u32 {
    LK_VERSION_MAJOR << 24 | LK_VERSION_MINOR << 16 | LK_VERSION_PATCH << 8
}

/// The same as text, such as "1.2.3"; valid for ever.
#[unsafe(no_mangle)]
pub extern "C" fn lk_version_string() -> *const c_char {
    VERSION.as_ptr().cast()
}

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_crate() {
        let text = format!("{LK_VERSION_MAJOR}.{LK_VERSION_MINOR}.{LK_VERSION_PATCH}\0");
        assert_eq!(text, VERSION);
    }

    #[test]
    fn shared_library_is_named_for_its_abi() {
        let library = include_str!("../Cargo.toml")
            .split_once("[package.metadata.capi.library]\n")
            .map(|(_, library)| library);
        let version = format!("version = \"{LK_ABI_VERSION}.");
        assert!(library.is_some_and(|library| library.starts_with(&version)));
    }
}
