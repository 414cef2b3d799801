//! Who holds the lock, in words: the data of a contender's znode.
//!
//! A flat JSON object in UTF-8, because other libraries show a contender's data as text and people
//! read it with a shell. When a contender queued is not written here: the znode's `ctime` says it on
//! the leader's clock.

use std::fmt::Write as _;
use std::sync::OnceLock;

use bytes::Bytes;

use crate::json;

/// Who a contender says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name of the machine.
    pub host: String,
    /// Id of the process.
    pub pid: u32,
    /// What the application calls itself; may be empty.
    pub label: String,
    /// The session in hexadecimal, `0x…`; filled in when the contender queues.
    pub session: String,
}

impl Identity {
    /// This process: the machine's name as the kernel has it, or `HOSTNAME`, or nothing. Looked
    /// up once.
    pub fn of_process() -> Self {
        static HOST: OnceLock<String> = OnceLock::new();
        let host = HOST.get_or_init(|| {
            let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
                .or_else(|_| std::env::var("HOSTNAME"))
                .unwrap_or_default();
            host.trim().to_owned()
        });
        Self {
            host: host.clone(),
            pid: std::process::id(),
            label: String::new(),
            session: String::new(),
        }
    }

    /// `{"host":"…","pid":1,"label":"…","session":"0x…"}`.
    pub(crate) fn to_json(&self) -> Bytes {
        let mut text = String::with_capacity(96);
        text.push_str("{\"host\":");
        json::put_string(&self.host, &mut text);
        write!(text, ",\"pid\":{}", self.pid).expect("writing to a String cannot fail");
        text.push_str(",\"label\":");
        json::put_string(&self.label, &mut text);
        text.push_str(",\"session\":");
        json::put_string(&self.session, &mut text);
        text.push('}');
        text.into()
    }

    /// Reads what [`Identity::to_json`] wrote; members in any order, unknown ones ignored. `None`
    /// for the data of other libraries.
    pub(crate) fn from_json(data: &[u8]) -> Option<Self> {
        let mut identity = Self {
            host: String::new(),
            pid: 0,
            label: String::new(),
            session: String::new(),
        };
        json::read(data, |name, value| {
            match name {
                "host" => identity.host = value.string()?,
                "pid" => identity.pid = value.scalar()?.parse().ok()?,
                "label" => identity.label = value.string()?,
                "session" => identity.session = value.string()?,
                _ => value.skip()?,
            }
            Some(())
        })?;
        Some(identity)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn json_is_what_people_expect() {
        let identity = Identity {
            host: "db-1".into(),
            pid: 42,
            label: "say \"hi\"\n".into(),
            session: "0x1".into(),
        };
        assert_eq!(
            identity.to_json(),
            r#"{"host":"db-1","pid":42,"label":"say \"hi\"\u000a","session":"0x1"}"#
        );
    }

    #[test]
    fn members_come_in_any_order_and_foreign_data_is_none() {
        let text = br#" { "pid" : 7 , "x":null, "y":"}", "host":"a\/\u0041" } "#;
        let identity = Identity::from_json(text).unwrap();
        assert_eq!((identity.pid, identity.host.as_str()), (7, "a/A"));
        for data in [
            "",
            "10.0.0.1",
            "__REVOKE__",
            "{}",
            "{\"pid\":}",
            "{\"pid\":1",
            "{\"a\":[1]}",
        ] {
            assert_eq!(Identity::from_json(data.as_bytes()), None, "{data}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(host in ".*", pid in any::<u32>(), label in ".*") {
            let identity = Identity { host, pid, label, session: "0xabc".into() };
            prop_assert_eq!(Identity::from_json(&identity.to_json()), Some(identity));
        }

        #[test]
        fn reading_never_panics(data in prop::collection::vec(any::<u8>(), 0..60), text in ".*") {
            let _ = Identity::from_json(&data);
            let _ = Identity::from_json(text.as_bytes());
        }
    }
}
