//! A group: who is there.

use bytes::Bytes;
use futures::future::ready;
use futures::stream;
use futures::{FutureExt, TryFutureExt};
use lockkeeper::Client;
use lockkeeper_recipes::{GroupEvent, GroupLayout, RecipeError};
use pyo3::prelude::*;

use crate::convert::{data, limit};
use crate::failure::Failure;
use crate::pending::Pending;
use crate::recipes::changes::Changes;
use crate::recipes::kept::Kept;
use crate::recipes::{Recipe, within};
use crate::session::Session;
use crate::value::{nothing, value};

/// A group at a path.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct Group(Recipe<(Client, lockkeeper_recipes::Group)>);

#[pymethods]
impl Group {
    #[new]
    fn new(session: &Session, path: &str, layout: &str) -> Result<Self, Failure> {
        let layout = match layout {
            "curator" => GroupLayout::Curator,
            "kazoo" => GroupLayout::KazooParty,
            _ => {
                let text = format!("layout must be \"curator\" or \"kazoo\", not {layout:?}");
                return Err(Failure::Argument(text));
            }
        };
        let client = session.client()?.clone();
        let group = lockkeeper_recipes::Group::new(&client, path)?.layout(layout);
        Ok(Self(Recipe::new((client, group), path)))
    }

    /// The pending value is a `Membership`.
    fn join(&self, id: String, bytes: &[u8], timeout: Option<f64>) -> Result<Pending, Failure> {
        let (data, limit) = (data(bytes), limit(timeout)?);
        self.0.call("join", |(client, group)| async move {
            let joined = within(&client, limit, RecipeError::TimedOut, group.join(&id, data)).await;
            joined.map(Membership::new)
        })
    }

    fn members(&self) -> Result<Pending, Failure> {
        self.0.call("members", |(_, group)| async move {
            let members = group.members().await?;
            let members: Vec<Member> = members.into_iter().map(Member::from).collect();
            Ok::<_, Failure>(members)
        })
    }

    /// Each is a `Joined` or a `Left`.
    fn view(&self) -> Result<Changes, Failure> {
        let (client, group) = self.0.handle()?;
        let events = stream::unfold(group.view(), async |mut view| {
            let event = match view.next().await {
                Ok(GroupEvent::Joined(member)) => Ok(value(Joined::from(member))),
                Ok(GroupEvent::Left(member)) => Ok(value(Left::from(member))),
                Err(error) => Err(Failure::from(error)),
            };
            Some((event, view))
        });
        Ok(Changes::new(self.0.context("view"), client, events))
    }
}

/// Being a member, until it leaves or this object goes.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct Membership(Kept<lockkeeper_recipes::Membership>);

impl Membership {
    fn new(membership: lockkeeper_recipes::Membership) -> Self {
        Self(Kept::new(membership))
    }
}

#[pymethods]
impl Membership {
    #[getter]
    fn path(&self) -> &str {
        self.0.path()
    }

    #[getter]
    fn state(&self) -> Result<&'static str, Failure> {
        self.0.state()
    }

    #[getter]
    fn reason(&self) -> Result<Option<&'static str>, Failure> {
        self.0.reason()
    }

    fn update(&self, bytes: &[u8]) -> Result<Pending, Failure> {
        let (membership, data) = (self.0.share()?, data(bytes));
        let call = async move { membership.update(data).await.map(nothing) };
        Ok(Pending::new(self.0.context("update"), call))
    }

    /// Pending until the znode is gone; dropping it leaves without waiting. Nothing happens the
    /// second time.
    fn release(&self) -> Result<Pending, Failure> {
        let call = match self.0.take()? {
            Some(membership) => membership.leave().left_future(),
            None => ready(Ok(())).right_future(),
        };
        Ok(Pending::new(self.0.context("leave"), call.map_ok(nothing)))
    }

    fn lost(&self) -> Result<Pending, Failure> {
        self.0.lost()
    }
}

/// A member as others see it.
#[pyclass(frozen, eq, hash, get_all, module = "lockkeeper")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Member {
    /// What it calls itself.
    id: String,
    /// What it says about itself.
    data: Bytes,
    /// Path of its znode.
    path: String,
    /// The session that is a member.
    session_id: i64,
    /// When it joined: the zxid of its znode's creation.
    joined: i64,
}

impl From<lockkeeper_recipes::Member> for Member {
    fn from(member: lockkeeper_recipes::Member) -> Self {
        Self {
            id: member.id,
            data: member.data,
            path: member.path,
            session_id: member.session.0,
            joined: member.joined.0,
        }
    }
}

#[pymethods]
impl Member {
    fn __repr__(&self) -> String {
        let Self {
            id,
            path,
            session_id,
            joined,
            data,
        } = self;
        format!(
            "Member(id={id:?}, data={} bytes, path={path:?}, session_id={session_id:#x}, \
             joined={joined:#x})",
            data.len()
        )
    }
}

macro_rules! event {
    ($(#[doc = $doc:literal] $name:ident)*) => { $(
        #[doc = $doc]
        #[pyclass(frozen, eq, hash, get_all, module = "lockkeeper")]
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub(crate) struct $name {
            /// Who it is.
            member: Member,
        }

        impl From<lockkeeper_recipes::Member> for $name {
            fn from(member: lockkeeper_recipes::Member) -> Self {
                Self { member: member.into() }
            }
        }

        #[pymethods]
        impl $name {
            fn __repr__(&self) -> String {
                format!(concat!(stringify!($name), "({})"), self.member.__repr__())
            }
        }
    )* };
}

event! {
    /// A member is there.
    Joined
    /// A member has left, or its session has ended.
    Left
}
