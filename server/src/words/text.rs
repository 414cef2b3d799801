//! The texts of all words but `mntr`. Tools read them by line and column: order, blanks and the
//! letters' case are Apache's.

use std::fmt::Write;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use lockkeeper_wire::OpCode;

use super::mntr::Value;
use super::status::{
    Connection, Environment, KnownSession, Latency, Mode, Session, Settings, Status,
};
use super::version_text;

/// Lines of an answer to `dump`.
const DUMP_LINES_MAX: usize = 100_000;

/// Appends a line; writing to a `String` cannot fail.
macro_rules! line {
    ($out:expr, $($part:tt)*) => {
        let _ = writeln!($out, $($part)*);
    };
}

pub(super) fn isro(mode: Mode) -> &'static str {
    match mode {
        Mode::ReadOnly => "ro",
        Mode::Follower | Mode::Leader | Mode::Observer | Mode::Standalone => "rw",
    }
}

pub(super) fn srvr(status: &Status) -> String {
    let mut out = head(status);
    numbers(&mut out, status);
    out
}

pub(super) fn stat(status: &Status) -> String {
    let mut out = head(status);
    out.push_str("Clients:\n");
    for connection in &status.connections {
        brief(&mut out, connection);
        out.push_str(")\n");
    }
    out.push('\n');
    numbers(&mut out, status);
    out
}

pub(super) fn cons(connections: &[Connection]) -> String {
    let mut out = String::new();
    for connection in connections {
        brief(&mut out, connection);
        if let Some(session) = &connection.session {
            of_session(&mut out, session);
        }
        out.push_str(")\n");
    }
    out.push('\n');
    out
}

pub(super) fn conf(settings: &Settings) -> String {
    let mut out = String::new();
    line!(out, "clientPort={}", settings.client_port);
    line!(out, "secureClientPort=-1");
    line!(out, "dataDir={}", settings.data_dir.display());
    line!(out, "dataDirSize={}", settings.data_dir_bytes);
    line!(out, "dataLogDir={}", settings.data_log_dir.display());
    line!(out, "dataLogSize={}", settings.data_log_dir_bytes);
    line!(out, "tickTime={}", settings.tick_time_ms);
    line!(
        out,
        "maxClientCnxns={}",
        settings.connections_per_address_max
    );
    line!(out, "minSessionTimeout={}", settings.session_timeout_min_ms);
    line!(out, "maxSessionTimeout={}", settings.session_timeout_max_ms);
    line!(
        out,
        "clientPortListenBacklog={}",
        settings.listen_backlog.map_or(-1, i64::from)
    );
    line!(out, "serverId={}", settings.server_id);
    out
}

pub(super) fn dirs(settings: &Settings) -> String {
    let mut out = String::new();
    line!(out, "datadir_size: {}", settings.data_dir_bytes);
    line!(out, "logdir_size: {}", settings.data_log_dir_bytes);
    out
}

/// Sessions in the form of a follower's answer, which has no deadlines, then their ephemerals.
///
/// An answer stops after [`DUMP_LINES_MAX`] lines and says so, because the number of sessions and
/// ephemerals is up to clients; the counts in the headings are always true.
pub(super) fn dump(sessions: &[KnownSession]) -> String {
    let owners = || sessions.iter().filter(|s| !s.ephemerals.is_empty());
    let mut lines = vec![
        "SessionTracker dump:".to_owned(),
        format!("Global Sessions({}):", sessions.len()),
    ];
    let listed = sessions.iter().take(DUMP_LINES_MAX);
    lines.extend(listed.map(|s| format!("{}\t{}ms", s.id, s.timeout_ms)));
    lines.push("ephemeral nodes dump:".to_owned());
    lines.push(format!("Sessions with Ephemerals ({}):", owners().count()));
    for session in owners() {
        if lines.len() >= DUMP_LINES_MAX {
            break;
        }
        lines.push(format!("{}:", session.id));
        lines.extend(session.ephemerals.iter().map(|path| format!("\t{path}")));
    }
    if lines.len() > DUMP_LINES_MAX {
        lines.truncate(DUMP_LINES_MAX);
        lines.push("...".to_owned());
    }
    lines.join("\n") + "\n"
}

/// Java's own lines are left out; kazoo looks for the version here.
pub(super) fn envi(environment: &Environment) -> String {
    let mut out = String::from("Environment:\n");
    line!(out, "zookeeper.version={}", version_text());
    line!(out, "host.name={}", environment.host_name);
    line!(out, "os.name={}", std::env::consts::OS);
    line!(out, "os.arch={}", std::env::consts::ARCH);
    line!(out, "user.name={}", environment.user_name);
    line!(out, "user.dir={}", environment.user_dir.display());
    out
}

pub(super) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Follower => "follower",
        Mode::Leader => "leader",
        Mode::Observer => "observer",
        Mode::ReadOnly => "read-only",
        Mode::Standalone => "standalone",
    }
}

fn head(status: &Status) -> String {
    let mut out = format!("Zookeeper version: {}\n", version_text());
    if status.mode == Mode::ReadOnly {
        out.push_str("READ-ONLY mode; serving only read-only clients\n");
    }
    out
}

fn numbers(out: &mut String, status: &Status) {
    let Latency { min_ms, max_ms, .. } = status.latency;
    let mean = Value::Float(status.latency.mean_ms());
    line!(out, "Latency min/avg/max: {min_ms}/{mean}/{max_ms}");
    line!(out, "Received: {}", status.packets_received);
    line!(out, "Sent: {}", status.packets_sent);
    line!(out, "Connections: {}", status.connection_count);
    line!(out, "Outstanding: {}", status.outstanding);
    line!(out, "Zxid: {}", status.zxid);
    line!(out, "Mode: {}", mode(status.mode));
    line!(out, "Node count: {}", status.znode_count);
}

fn brief(out: &mut String, connection: &Connection) {
    let Connection {
        interest_ops,
        queued,
        received,
        sent,
        ..
    } = connection;
    let _ = write!(
        out,
        " {}[{interest_ops:x}]",
        java_address(connection.remote)
    );
    let _ = write!(out, "(queued={queued},recved={received},sent={sent}");
}

fn of_session(out: &mut String, session: &Session) {
    let Session {
        id,
        established_ms,
        timeout_ms,
        ..
    } = session;
    let op = session.op.map_or("NA", op_tag);
    let _ = write!(
        out,
        ",sid={id},lop={op},est={established_ms},to={timeout_ms}"
    );
    if session.xid >= 0 {
        let _ = write!(out, ",lcxid=0x{:x}", session.xid);
    }
    let Session {
        zxid,
        responded_ms,
        latency_last_ms,
        latency,
        ..
    } = session;
    let mean = latency.sum_ms.checked_div(latency.count).unwrap_or(0);
    let Latency { min_ms, max_ms, .. } = latency;
    let _ = write!(
        out,
        ",lzxid={zxid},lresp={responded_ms},llat={latency_last_ms}"
    );
    let _ = write!(out, ",minlat={min_ms},avglat={mean},maxlat={max_ms}");
}

/// An address as `InetSocketAddress.toString` prints one without a name: IPv6 groups in full.
fn java_address(address: SocketAddr) -> String {
    let port = address.port();
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => format!("/{ip}:{port}"),
        IpAddr::V6(ip) => format!("/[{}]:{port}", groups(ip)),
    }
}

fn groups(ip: Ipv6Addr) -> String {
    ip.segments().map(|group| format!("{group:x}")).join(":")
}

/// The tags of `FinalRequestProcessor.java`.
fn op_tag(op: OpCode) -> &'static str {
    match op {
        OpCode::AddWatch => "ADDW",
        OpCode::Check => "CHEC",
        OpCode::CheckWatches => "CHKW",
        OpCode::CloseSession => "CLOS",
        OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => "CREA",
        OpCode::CreateSession => "SESS",
        OpCode::Delete | OpCode::DeleteContainer => "DELE",
        OpCode::Exists => "EXIS",
        OpCode::GetAcl => "GETA",
        OpCode::GetAllChildrenNumber => "GETACN",
        OpCode::GetChildren | OpCode::GetChildren2 => "GETC",
        OpCode::GetData => "GETD",
        OpCode::GetEphemerals => "GETE",
        OpCode::Multi => "MULT",
        OpCode::MultiRead => "MLTR",
        OpCode::Ping => "PING",
        OpCode::Reconfig => "RECO",
        OpCode::RemoveWatches => "REMW",
        OpCode::SetAcl => "SETA",
        OpCode::SetData => "SETD",
        OpCode::SetWatches => "SETW",
        OpCode::SetWatches2 => "STW2",
        OpCode::Sync => "SYNC",
        OpCode::WhoAmI => "HOMI",
        _ => "NA",
    }
}

#[cfg(test)]
mod tests {
    use lockkeeper_wire::{SessionId, Zxid};

    use super::*;

    fn connection(remote: &str) -> Connection {
        let remote = remote.parse().expect("an address");
        Connection {
            remote,
            interest_ops: 1,
            queued: 0,
            received: 7,
            sent: 8,
            session: None,
        }
    }

    #[test]
    fn addresses_as_java_prints_them() {
        let cases = [
            ("10.0.0.1:4000", "/10.0.0.1:4000"),
            ("[::ffff:10.0.0.1]:4000", "/10.0.0.1:4000"),
            ("[::1]:4000", "/[0:0:0:0:0:0:0:1]:4000"),
            ("[fe80::a:b]:1", "/[fe80:0:0:0:0:0:a:b]:1"),
        ];
        for (address, text) in cases {
            assert_eq!(java_address(address.parse().expect("an address")), text);
        }
    }

    #[test]
    fn long_lines_of_connections() {
        let mut with_session = connection("10.0.0.1:4000");
        let mut latency = Latency::default();
        latency.record(1);
        latency.record(4);
        with_session.session = Some(Session {
            id: SessionId(0x100_0000_0000_0001),
            op: Some(OpCode::GetChildren2),
            established_ms: 1_700_000_000_000,
            timeout_ms: 30_000,
            xid: 26,
            zxid: Zxid::new(1, 2),
            responded_ms: 99,
            latency_last_ms: 4,
            latency,
        });
        let mut pinged = with_session.clone();
        let session = pinged.session.as_mut().expect("just set");
        (session.xid, session.op) = (-2, None);
        let text = cons(&[connection("10.0.0.2:1"), with_session, pinged]);
        let expected = " /10.0.0.2:1[1](queued=0,recved=7,sent=8)\n \
            /10.0.0.1:4000[1](queued=0,recved=7,sent=8,sid=0x100000000000001,lop=GETC,\
            est=1700000000000,to=30000,lcxid=0x1a,lzxid=0x100000002,lresp=99,llat=4,\
            minlat=1,avglat=2,maxlat=4)\n \
            /10.0.0.1:4000[1](queued=0,recved=7,sent=8,sid=0x100000000000001,lop=NA,\
            est=1700000000000,to=30000,lzxid=0x100000002,lresp=99,llat=4,\
            minlat=1,avglat=2,maxlat=4)\n\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn settings() {
        let settings = Settings {
            client_port: 2181,
            data_dir: "/data/version-2".into(),
            data_dir_bytes: 5,
            data_log_dir: "/log/version-2".into(),
            data_log_dir_bytes: 6,
            tick_time_ms: 3000,
            connections_per_address_max: 60,
            session_timeout_min_ms: 6000,
            session_timeout_max_ms: 60_000,
            listen_backlog: None,
            server_id: 0,
        };
        let expected = "clientPort=2181\nsecureClientPort=-1\ndataDir=/data/version-2\n\
            dataDirSize=5\ndataLogDir=/log/version-2\ndataLogSize=6\ntickTime=3000\n\
            maxClientCnxns=60\nminSessionTimeout=6000\nmaxSessionTimeout=60000\n\
            clientPortListenBacklog=-1\nserverId=0\n";
        assert_eq!(conf(&settings), expected);
        assert_eq!(dirs(&settings), "datadir_size: 5\nlogdir_size: 6\n");
    }

    #[test]
    fn sessions_and_their_ephemerals_up_to_a_bound() {
        let session = |id, ephemerals: &[&str]| KnownSession {
            id: SessionId(id),
            timeout_ms: 4000,
            ephemerals: ephemerals.iter().map(ToString::to_string).collect(),
        };
        let expected = "SessionTracker dump:\nGlobal Sessions(2):\n0x1\t4000ms\n0x2\t4000ms\n\
            ephemeral nodes dump:\nSessions with Ephemerals (1):\n0x2:\n\t/a\n\t/b/c\n";
        assert_eq!(
            dump(&[session(1, &[]), session(2, &["/a", "/b/c"])]),
            expected
        );

        let many = vec!["/x"; DUMP_LINES_MAX];
        let text = dump(&[session(1, &many), session(2, &["/a"])]);
        assert_eq!(text.lines().count(), DUMP_LINES_MAX + 1);
        assert!(text.ends_with("\t/x\n...\n") && text.contains("Ephemerals (2):"));
    }

    #[test]
    fn the_environment_starts_with_a_version_that_kazoo_reads() {
        let text = envi(&Environment::default());
        let version = text
            .lines()
            .find_map(|line| line.strip_prefix("zookeeper.version="));
        assert!(
            version
                .expect("a version")
                .starts_with(super::super::VERSION)
        );
    }
}
