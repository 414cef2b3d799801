//! Several servers that elect a leader among themselves, of one make or mixed.

use std::io;

use crate::network::Network;
use crate::server::{Member, Mode, Peer, Server, Settings};
use crate::wait;

/// An ensemble with every member in it, running or not.
#[derive(Debug)]
pub struct Ensemble {
    members: Vec<Server>,
}

impl Ensemble {
    /// Starts one member per entry with default settings; waits until all serve.
    ///
    /// Member ids count from 1 in the order given.
    pub fn start(peers: &[Peer]) -> io::Result<Self> {
        Self::start_with(peers, &Settings::default())
    }

    /// Starts one member per entry; waits until all serve.
    pub fn start_with(peers: &[Peer], settings: &Settings) -> io::Result<Self> {
        Self::start_each(peers, &Self::pick(peers)?, |_| settings.clone())
    }

    /// Starts one member per entry, all of Apache's, with a network between them that can be cut;
    /// waits until all serve.
    pub fn start_apart(peers: &[Peer], settings: &Settings) -> io::Result<(Self, Network)> {
        let ports = Self::pick(peers)?;
        let network = Network::start(peers.len())?;
        for (member, own) in ports.iter().enumerate() {
            network.admit(member, own.quorum_port, own.election_port);
        }
        let through = |member| network.through(member, settings);
        Ok((Self::start_each(peers, &ports, through)?, network))
    }

    fn pick(peers: &[Peer]) -> io::Result<Vec<Member>> {
        (1..).take(peers.len()).map(Member::pick).collect()
    }

    fn start_each(
        peers: &[Peer],
        ports: &[Member],
        settings: impl Fn(usize) -> Settings,
    ) -> io::Result<Self> {
        let mut members = Vec::new();
        for (i, (peer, own)) in peers.iter().zip(ports).enumerate() {
            let mut server = Server::member(*peer, *own, ports.to_vec(), settings(i))?;
            server.start()?;
            members.push(server);
        }
        for member in &mut members {
            member.await_serving()?;
        }
        Ok(Self { members })
    }

    /// Every member's address, as clients write it.
    pub fn connect_string(&self) -> String {
        let each: Vec<String> = self.members.iter().map(Server::connect_string).collect();
        each.join(",")
    }

    /// The members in the order of their ids.
    pub fn members(&self) -> &[Server] {
        &self.members
    }

    /// One member, by its place in [`Ensemble::members`].
    pub fn member_mut(&mut self, index: usize) -> &mut Server {
        &mut self.members[index]
    }

    /// Waits until exactly one member says that it leads; returns its place.
    ///
    /// Members that do not answer, such as killed and paused ones, are passed over. A member that
    /// was cut off may still believe that it leads, which is why two answers are not accepted.
    pub fn await_leader(&self) -> io::Result<usize> {
        let found = wait::until("one leader", wait::PATIENCE, || {
            let mut leaders = (0..self.members.len()).filter(|&i| {
                self.members[i]
                    .mode()
                    .is_ok_and(|mode| mode == Mode::Leader)
            });
            leaders.next().filter(|_| leaders.next().is_none())
        });
        found.map_err(|error| {
            let logs: Vec<String> = self.members.iter().map(Server::log_tail).collect();
            io::Error::other(format!("{error}\n{}", logs.join("\n---\n")))
        })
    }
}
