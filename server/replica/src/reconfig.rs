//! A change of the membership: what a request asks for, and whether it may be.
//!
//! The checks and their order are Apache's (`PrepRequestProcessor`). Who may ask is the store's
//! affair: the membership is a znode with an access list.

use std::collections::BTreeSet;

use lockkeeper_wire::request::ReconfigRequest;
use lockkeeper_wire::{ByteStr, ErrorCode, ServerId, Zxid};
use lockkeeper_zab::{HostPort, Member, Membership, Quorums};

use crate::replica::Replica;

impl Replica {
    /// The membership that a request makes of the one in force, with the zxid as its version.
    pub(crate) fn reconfigured(
        &self,
        request: &ReconfigRequest,
        zxid: Zxid,
    ) -> Result<Membership, ErrorCode> {
        let Some(settings) = self.settings.reconfig else {
            return Err(ErrorCode::RECONFIG_DISABLED);
        };
        let memberships = self.peer.memberships().ok_or(ErrorCode::UNIMPLEMENTED)?;
        if memberships.is_changing() {
            return Err(ErrorCode::RECONFIG_IN_PROGRESS);
        }
        let last_seen = memberships.last_seen();
        if request.cur_config_id != -1 && request.cur_config_id != last_seen.version() {
            return Err(ErrorCode::BAD_VERSION);
        }
        let membership = match &request.new_members {
            Some(members) => replaced(members),
            None => changed(last_seen, request),
        };
        let membership = membership
            .filter(|next| next.voters().len() >= settings.voters_min)
            .ok_or(ErrorCode::BAD_ARGUMENTS)?
            .with_version(zxid.0);
        let synced = |sid| self.peer.is_synced(sid);
        if !membership.quorums().is_reached(synced) {
            return Err(ErrorCode::NEW_CONFIG_NO_QUORUM);
        }
        Ok(membership)
    }
}

/// A whole new membership; its lines may be separated by commas.
fn replaced(members: &str) -> Option<Membership> {
    Membership::from_bytes(members.replace(',', "\n").as_bytes()).ok()
}

/// Servers taken out and servers added, or added again with another line.
fn changed(last_seen: &Membership, request: &ReconfigRequest) -> Option<Membership> {
    if !matches!(last_seen.quorums(), Quorums::Majority { .. }) {
        return None;
    }
    let mut members = last_seen.members().clone();
    for sid in listed(&request.leaving_servers) {
        members.remove(&ServerId(sid.parse().ok()?));
    }
    for line in listed(&request.joining_servers) {
        let (key, line) = line
            .split_once('=')
            .filter(|(_, line)| !line.contains('='))?;
        let sid = ServerId(key.rsplit('.').next()?.parse().ok()?);
        let member = Member::parse(key, line).ok()?;
        member.client.as_ref()?;
        let others = members.iter().filter(|(other, _)| **other != sid);
        let taken: BTreeSet<_> = others.flat_map(|(_, other)| endpoints(other)).collect();
        if endpoints(&member).any(|endpoint| taken.contains(&endpoint)) {
            return None;
        }
        members.insert(sid, member);
    }
    Membership::majority(members, 0).ok()
}

fn listed(list: &Option<ByteStr>) -> impl Iterator<Item = &str> {
    let list = list.as_deref().unwrap_or_default();
    list.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// Where a server is reached by others, but for addresses that mean another machine on each.
fn endpoints(member: &Member) -> impl Iterator<Item = (&str, u16)> {
    let servers = member.addresses.iter().flat_map(|address| {
        let ports = [address.quorum_port, address.election_port];
        ports.map(|port| (address.host.as_str(), port))
    });
    let clients = member.client.iter();
    let clients = clients.map(|HostPort { host, port }| (host.as_str(), *port));
    let is_shared = |host: &str| {
        host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback() || address.is_unspecified())
    };
    servers
        .chain(clients)
        .filter(move |(host, _)| !is_shared(host))
}
