//! Several servers that elect a leader among themselves, of one make or mixed.

use std::io;

use crate::member::{Member, Role};
use crate::network::Network;
use crate::server::{Mode, Peer, Server, Settings};
use crate::wait;

/// An ensemble with every member in it, running or not.
#[derive(Debug)]
pub struct Ensemble {
    members: Vec<Server>,
}

/// Who is in an ensemble. Member ids count from 1: participants first, then observers.
#[derive(Clone, Debug)]
pub struct Cast {
    participants: Vec<Peer>,
    observers: Vec<Peer>,
    settings: Settings,
}

impl Cast {
    /// Participants of these makes with default settings.
    pub fn of(participants: &[Peer]) -> Self {
        Self {
            participants: participants.to_vec(),
            observers: Vec::new(),
            settings: Settings::default(),
        }
    }

    /// And these observers.
    #[must_use]
    pub fn observed_by(mut self, observers: &[Peer]) -> Self {
        self.observers = observers.to_vec();
        self
    }

    /// With these settings.
    #[must_use]
    pub fn with(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    fn peers(&self) -> Vec<Peer> {
        [&self.participants[..], &self.observers[..]].concat()
    }

    fn pick(&self) -> io::Result<Vec<Member>> {
        let participants = self.participants.iter().map(|_| Role::Participant);
        let roles = participants.chain(self.observers.iter().map(|_| Role::Observer));
        (1..)
            .zip(roles)
            .map(|(id, role)| Member::pick(id, role))
            .collect()
    }
}

impl Ensemble {
    /// Starts one participant per entry with default settings; waits until all serve.
    pub fn start(peers: &[Peer]) -> io::Result<Self> {
        Self::start_with(peers, &Settings::default())
    }

    /// Starts one participant per entry; waits until all serve.
    pub fn start_with(peers: &[Peer], settings: &Settings) -> io::Result<Self> {
        let cast = Cast::of(peers).with(settings.clone());
        let ports = cast.pick()?;
        let mut ensemble = Self::members_of(&cast, &ports, |_| ports.clone())?;
        ensemble.start_all()?;
        Ok(ensemble)
    }

    /// Starts one participant per entry with a network between them that can be cut; waits until
    /// all serve.
    pub fn start_apart(peers: &[Peer], settings: &Settings) -> io::Result<(Self, Network)> {
        let cast = Cast::of(peers).with(settings.clone());
        let (mut ensemble, network) = Self::set_apart(&cast)?;
        ensemble.start_all()?;
        Ok((ensemble, network))
    }

    /// The same for a whole cast, and the last of the participants leads: it starts with as many
    /// others as make a quorum, and among equals the largest id wins.
    pub fn start_led(cast: &Cast) -> io::Result<(Self, Network)> {
        let (mut ensemble, network) = Self::set_apart(cast)?;
        let last = cast.participants.len() - 1;
        let quorum = cast.participants.len() / 2 + 1;
        let (first, later): (Vec<usize>, Vec<usize>) =
            (0..ensemble.members.len()).partition(|&i| i == last || i < quorum - 1);
        for wave in [first, later] {
            for &i in &wave {
                ensemble.members[i].start()?;
            }
            for &i in &wave {
                ensemble.members[i].await_serving()?;
            }
        }
        match ensemble.members[last].mode()? {
            Mode::Leader => Ok((ensemble, network)),
            mode => Err(io::Error::other(format!(
                "the last participant is a {mode:?}"
            ))),
        }
    }

    fn set_apart(cast: &Cast) -> io::Result<(Self, Network)> {
        let ports = cast.pick()?;
        let network = Network::start(&ports)?;
        let ensemble = Self::members_of(cast, &ports, |i| network.seen_by(i, &ports))?;
        Ok((ensemble, network))
    }

    fn members_of(
        cast: &Cast,
        ports: &[Member],
        seen_by: impl Fn(usize) -> Vec<Member>,
    ) -> io::Result<Self> {
        let peers = cast.peers().into_iter().zip(ports).enumerate();
        let members = peers
            .map(|(i, (peer, own))| Server::member(peer, *own, seen_by(i), cast.settings.clone()));
        Ok(Self {
            members: members.collect::<io::Result<_>>()?,
        })
    }

    /// Starts every member, none of which runs, on its data; waits until all serve.
    pub fn start_all(&mut self) -> io::Result<()> {
        for member in &mut self.members {
            member.start()?;
        }
        for member in &mut self.members {
            member.await_serving()?;
        }
        Ok(())
    }

    /// Ends a member, has another make continue on its data, and waits until that serves.
    pub fn replace(&mut self, index: usize, peer: Peer) -> io::Result<Mode> {
        let member = &mut self.members[index];
        member.terminate(wait::PATIENCE)?;
        member.change_peer(peer);
        member.restart()
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
        self.await_leader_among(|_| true)
    }

    /// The same, of the members but this one, which may believe what it likes.
    pub fn await_leader_beside(&self, other: usize) -> io::Result<usize> {
        self.await_leader_among(|i| i != other)
    }

    fn await_leader_among(&self, counts: impl Fn(usize) -> bool) -> io::Result<usize> {
        let leads = |&i: &usize| {
            self.members[i]
                .mode()
                .is_ok_and(|mode| mode == Mode::Leader)
        };
        let found = wait::until("one leader", wait::PATIENCE, || {
            let mut leaders = (0..self.members.len()).filter(|&i| counts(i)).filter(leads);
            leaders.next().filter(|_| leaders.next().is_none())
        });
        found.map_err(|error| {
            let logs: Vec<String> = self.members.iter().map(Server::log_tail).collect();
            io::Error::other(format!("{error}\n{}", logs.join("\n---\n")))
        })
    }
}
