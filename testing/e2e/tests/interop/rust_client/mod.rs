//! Every operation of our client, against every server and both roles of an ensemble's member.
//!
//! The checks mirror those of the Java client (`java/peers`): each gets a session that others share
//! and an empty znode of its own. They run one after the other, and all of them run whatever
//! becomes of the first, so that a failure shows its whole extent.

mod access;
mod multi;
mod sessions;
mod stage;
mod tree;
mod watching;

use lockkeeper_e2e::{Ensemble, Peer, Proxy, Server};

use stage::{Check, Kind, run};

/// Names of functions as a table of checks.
macro_rules! checks {
    ($($module:ident::$name:ident),* $(,)?) => {
        vec![$((
            stringify!($name),
            (|stage| Box::pin($module::$name(stage))) as Check,
        )),*]
    };
}

fn every_check() -> Vec<(&'static str, Check)> {
    checks![
        tree::create_persistent,
        tree::create_sequential,
        tree::create_ephemeral,
        tree::create_container,
        tree::create_with_a_time_to_live,
        tree::get_and_set,
        tree::empty_and_large_data,
        tree::unicode_names,
        tree::delete,
        tree::children,
        tree::count_descendants,
        tree::sync,
        tree::requests_overlap_in_order,
        tree::paths_are_checked_before_they_are_sent,
        multi::applies_all,
        multi::applies_nothing,
        multi::makes_every_kind,
        multi::may_be_empty,
        multi::reads_fail_alone,
        access::lists_are_got_and_set,
        access::lists_are_refused,
        access::a_revoked_right_is_gone_for_the_next_request,
        access::digest_opens_and_wrong_passwords_do_not,
        access::create_and_delete_belong_to_the_parent,
        access::who_am_i,
        access::credentials_are_shown_again_after_a_cut,
        watching::data_once,
        watching::children_once,
        watching::creation_and_deletion,
        watching::deletion_reaches_all_kinds,
        watching::persistent,
        watching::recursive,
        watching::an_event_comes_before_a_later_reply,
        watching::a_dropped_watch_is_taken_back,
        watching::one_shot_watches_survive_a_cut,
        watching::what_was_missed_is_told_after_a_cut,
        watching::persistent_watches_survive_a_cut,
        sessions::close_removes_ephemerals,
        sessions::ephemerals,
        sessions::negotiated_timeout,
        sessions::chroot,
        sessions::configuration,
        sessions::a_cut_keeps_the_session,
        sessions::zxids_never_go_back,
        sessions::a_session_is_handed_over,
        sessions::a_session_closed_elsewhere_is_expired,
        sessions::a_wrong_password_is_an_expiry,
        sessions::a_lost_reply_is_an_unknown_outcome,
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_client_on_a_standalone_server() {
    for peer in Peer::every() {
        let server = Server::standalone(peer).expect("it starts");
        let proxy = Proxy::start(server.address()).expect("a loopback port");
        run(
            every_check(),
            Kind::Standalone,
            peer,
            proxy,
            &[server.address()],
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_client_on_a_member_of_an_ensemble() {
    for peer in Peer::every() {
        let ensemble = Ensemble::start(&[peer; 3]).expect("it starts");
        let leader = ensemble.await_leader().expect("someone leads");
        for first in [leader, (leader + 1) % 3] {
            let mut members: Vec<_> = ensemble.members().iter().map(Server::address).collect();
            members.rotate_left(first);
            let proxy = Proxy::start(members[0]).expect("a loopback port");
            run(every_check(), Kind::Ensemble, peer, proxy, &members).await;
        }
    }
}
