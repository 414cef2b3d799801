//! The floor: a process that answers every request with the same reply and does nothing else.
//!
//! A thread per connection, blocking reads, one write for all replies that one read asks for. What
//! it costs is what the kernel costs.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;

use bytes::{Bytes, BytesMut};
use lockkeeper_wire::frame::{self, FRAME_LEN_MAX};
use lockkeeper_wire::{
    ConnectResponse, Deframer, ErrorCode, Reader, Record, ReplyHeader, RequestHeader, SessionId,
    Zxid,
};

use crate::target::Target;

/// The argument that makes this program the echo server.
pub(crate) const ARGUMENT: &str = "--serve-echo";

/// Data of 1 KiB with its length, and a Stat.
const BODY_LEN: usize = 4 + 1024 + 68;

/// The echo server as a child process, so that its CPU time can be told from the load's.
#[derive(Debug)]
pub(crate) struct Echo {
    child: Child,
    address: SocketAddr,
}

impl Echo {
    pub(crate) fn start() -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().expect("standard output was piped");
        io::BufRead::read_line(&mut io::BufReader::new(output), &mut line)?;
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok(Self { child, address })
    }

    pub(crate) fn target(&self) -> Target {
        Target::new(self.address, self.child.id())
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until it is killed.
pub(crate) fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || {
            // The load generator notices when a connection fails.
            let _ = answer(stream);
        });
    }
    Ok(())
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut deframer = Deframer::new();
    let mut chunk = vec![0; 64 << 10];
    let mut out = BytesMut::new();
    let mut greeted = false;
    loop {
        let len = stream.read(&mut chunk)?;
        if len == 0 {
            return Ok(());
        }
        deframer.buffer_mut().extend_from_slice(&chunk[..len]);
        while let Some(frame) = deframer
            .next_frame(FRAME_LEN_MAX)
            .map_err(io::Error::other)?
        {
            if greeted {
                reply(&frame, &mut out)?;
            } else {
                greet(&mut out);
                greeted = true;
            }
        }
        stream.write_all(&out)?;
        out.clear();
    }
}

fn greet(out: &mut BytesMut) {
    let response = ConnectResponse {
        protocol_version: 0,
        timeout_ms: 60_000,
        session_id: SessionId(1),
        password: Some(Bytes::from_static(&[0; 16])),
        read_only: Some(false),
    };
    frame::encode(out, |out| response.encode(out));
}

fn reply(request: &Bytes, out: &mut BytesMut) -> io::Result<()> {
    let header = RequestHeader::decode(&mut Reader::new(request)).map_err(io::Error::other)?;
    let header = ReplyHeader {
        xid: header.xid,
        zxid: Zxid(1),
        err: ErrorCode::OK,
    };
    frame::encode(out, |out| {
        header.encode(out);
        out.extend_from_slice(&[0; BODY_LEN]);
    });
    Ok(())
}
