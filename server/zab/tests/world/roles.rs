//! What has to follow an election to give it a meaning: leaders that are established by a quorum,
//! followers that take over their log, and what is committed by it.

use std::collections::BTreeSet;

use lockkeeper_wire::{PeerState, ServerId, Zxid};
use lockkeeper_zab::Decision;

use super::{Event, World};

/// What survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Disk {
    pub(super) current: i64,
    pub(super) last: Zxid,
    pub(super) accepted: i64,
}

/// What a server is after its election.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Role {
    Looking,
    /// It searches the way to its leader; so many attempts are left.
    Joining(ServerId, u32),
    Joined(ServerId),
    Leading {
        followers: BTreeSet<ServerId>,
        /// In which epoch, once a quorum has joined.
        established: Option<i64>,
    },
}

/// How long a leader waits for a quorum, and a follower tries to reach its leader.
const LEAD_LIMIT_MS: u64 = 2_000;
const JOIN_ATTEMPTS: u32 = 5;
const JOIN_DELAY_MS: u64 = 100;

impl World {
    pub(super) fn look(&mut self, sid: ServerId) {
        let now_ms = self.now_ms;
        let server = self.servers.get_mut(&sid).expect("it exists");
        let Disk { last, current, .. } = server.disk;
        server.life += 1;
        if let Some((_, role)) = &mut server.up {
            *role = Role::Looking;
            self.with(sid, |election| election.look(last, current, now_ms));
        }
    }

    pub(super) fn decided(&mut self, sid: ServerId, decision: Decision) {
        let Decision {
            state,
            vote,
            voters,
            ..
        } = decision;
        // In trouble, a voter may have been brought in by another leader since, and have more.
        if self.is_calm && state == PeerState::Leading {
            let most = voters.iter().map(|sid| self.servers[sid].disk);
            let most = most.map(|disk| (disk.current, disk.last)).max();
            assert!(
                Some((vote.epoch, vote.zxid)) >= most,
                "{voters:?} elect {vote:?}"
            );
        }
        self.history
            .push(format!("{} {sid} {state:?} {vote:?}", self.now_ms));
        let server = self.servers.get_mut(&sid).expect("it exists");
        server.life += 1;
        let life = server.life;
        let (_, role) = server.up.as_mut().expect("it decided");
        let delay = match state {
            PeerState::Leading => {
                *role = Role::Leading {
                    followers: BTreeSet::from([sid]),
                    established: None,
                };
                self.establish(sid);
                LEAD_LIMIT_MS
            }
            _ => {
                *role = Role::Joining(vote.leader, JOIN_ATTEMPTS);
                self.dice.within(1..20)
            }
        };
        self.schedule(delay, Event::Role(sid, life));
    }

    /// The next thing that a role does by itself.
    pub(super) fn go_on(&mut self, sid: ServerId) {
        let server = &self.servers[&sid];
        let life = server.life;
        match server.up.as_ref().map(|(_, role)| role.clone()) {
            Some(Role::Leading {
                established: None, ..
            }) => {
                self.look(sid);
                self.lose_followers();
            }
            Some(Role::Joining(leader, attempts)) => {
                if self.join(sid, leader) {
                    return;
                }
                if attempts == 0 {
                    return self.look(sid);
                }
                let up = self.servers.get_mut(&sid).and_then(|s| s.up.as_mut());
                if let Some((_, role)) = up {
                    *role = Role::Joining(leader, attempts - 1);
                }
                self.schedule(JOIN_DELAY_MS, Event::Role(sid, life));
            }
            _ => {}
        }
    }

    fn join(&mut self, sid: ServerId, leader: ServerId) -> bool {
        if !self.can_reach(sid, leader) {
            return false;
        }
        let disk = self.servers[&sid].disk;
        let of_leader = self.servers[&leader].disk;
        let server = self.servers.get_mut(&leader).expect("it exists");
        let Some((
            _,
            Role::Leading {
                followers,
                established,
            },
        )) = &mut server.up
        else {
            return false;
        };
        match *established {
            // The history check of discovery.
            None if (disk.current, disk.last) > (of_leader.current, of_leader.last) => {
                return false;
            }
            Some(epoch) if disk.accepted > epoch => return false,
            _ => {}
        }
        followers.insert(sid);
        let established = *established;
        let server = self.servers.get_mut(&sid).expect("it exists");
        if let Some((_, role)) = &mut server.up {
            *role = Role::Joined(leader);
        }
        match established {
            Some(epoch) => self.bring_in(sid, epoch, of_leader.last),
            None => self.establish(leader),
        }
        true
    }

    fn establish(&mut self, leader: ServerId) {
        let server = &self.servers[&leader];
        let Some((_, Role::Leading { followers, .. })) = &server.up else {
            return;
        };
        let followers = followers.clone();
        if !(self.membership.quorums()).is_reached(|sid| followers.contains(&sid)) {
            return;
        }
        let Disk { current, last, .. } = server.disk;
        assert!(
            (current, last) >= self.committed,
            "{leader} leads with {last} of epoch {current} and loses what was committed, {:?}",
            self.committed
        );
        let accepted = followers.iter().map(|sid| self.servers[sid].disk.accepted);
        let epoch = accepted.max().unwrap_or(0) + 1;
        let before = self.leaders_established.insert(epoch, leader);
        assert_eq!(before, None, "two leaders of epoch {epoch}");
        self.history
            .push(format!("{} {leader} begins epoch {epoch}", self.now_ms));
        let server = self.servers.get_mut(&leader).expect("it exists");
        if let Some((_, Role::Leading { established, .. })) = &mut server.up {
            *established = Some(epoch);
        }
        self.committed = (epoch, last);
        for sid in followers {
            self.bring_in(sid, epoch, last);
        }
    }

    /// Gives a server its leader's epoch and history.
    fn bring_in(&mut self, sid: ServerId, epoch: i64, last: Zxid) {
        let server = self.servers.get_mut(&sid).expect("it exists");
        server.disk = Disk {
            current: epoch,
            last,
            accepted: epoch,
        };
        self.with(sid, |election| election.refresh(epoch));
    }

    /// Leaders log something, and some of their followers too.
    pub(super) fn append(&mut self) {
        let leaders: Vec<(ServerId, i64, BTreeSet<ServerId>)> = (self.servers.iter())
            .filter_map(|(&sid, server)| match &server.up {
                Some((
                    _,
                    Role::Leading {
                        followers,
                        established: Some(epoch),
                    },
                )) => Some((sid, *epoch, followers.clone())),
                _ => None,
            })
            .collect();
        for (leader, epoch, followers) in leaders {
            let last = self.servers[&leader].disk.last;
            let counter = match i64::from(last.epoch()) == epoch {
                true => last.counter() + 1,
                false => 1,
            };
            let last = Zxid::new(epoch as u32, counter);
            let logs: BTreeSet<ServerId> = followers
                .iter()
                .copied()
                .filter(|&sid| sid == leader || !self.dice.one_in(3))
                .collect();
            for sid in &logs {
                self.servers.get_mut(sid).expect("it exists").disk.last = last;
            }
            if (self.membership.quorums()).is_reached(|sid| logs.contains(&sid)) {
                self.committed = self.committed.max((epoch, last));
            } else {
                // Those that lack it would be a hole behind the next one; they are let go.
                self.look(leader);
            }
            for sid in followers.difference(&logs) {
                self.look(*sid);
            }
        }
        self.lose_followers();
    }

    /// Leaders lose followers that are down, cut off or gone elsewhere, and followers such leaders.
    pub(super) fn lose_followers(&mut self) {
        let sids: Vec<ServerId> = self.servers.keys().copied().collect();
        for &sid in &sids {
            let Some((_, Role::Leading { followers, .. })) = &self.servers[&sid].up else {
                continue;
            };
            let stays = |other: &ServerId| {
                let role = self.servers[other].up.as_ref().map(|(_, role)| role);
                *other == sid || (role == Some(&Role::Joined(sid)) && self.can_reach(*other, sid))
            };
            let left: BTreeSet<ServerId> = followers.iter().copied().filter(stays).collect();
            let server = self.servers.get_mut(&sid).expect("it exists");
            let Some((
                _,
                Role::Leading {
                    followers,
                    established,
                },
            )) = &mut server.up
            else {
                continue;
            };
            *followers = left.clone();
            let quorum = self
                .membership
                .quorums()
                .is_reached(|sid| left.contains(&sid));
            if established.is_some() && !quorum {
                self.look(sid);
            }
        }
        for &sid in &sids {
            let Some((_, Role::Joined(leader))) = self.servers[&sid].up else {
                continue;
            };
            let leads = matches!(&self.servers[&leader].up,
                Some((_, Role::Leading { followers, .. })) if followers.contains(&sid));
            if !leads || !self.can_reach(sid, leader) {
                self.look(sid);
            }
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        let leader = (self.servers.iter()).find(|(_, server)| {
            matches!(
                server.up,
                Some((
                    _,
                    Role::Leading {
                        established: Some(_),
                        ..
                    }
                ))
            )
        });
        let Some((&leader, _)) = leader else {
            return false;
        };
        (self.servers.iter())
            .filter(|(sid, _)| **sid != leader && !self.gone.contains(sid))
            .all(|(_, server)| {
                matches!(&server.up, Some((_, Role::Joined(joined))) if *joined == leader)
            })
    }
}
