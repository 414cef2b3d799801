//! Configurations, of one znode and of several keys.
//!
//! The check of what is published is Python and runs where Python runs, in the face: here nothing
//! is refused but what is not whole.

use std::collections::BTreeMap;
use std::ops::Deref;

use futures::stream;
use lockkeeper::Client;
use lockkeeper_recipes::{
    Config, ConfigBuilder, ConfigSet as RecipeSet, ConfigStatus, Keys, RecipeError, SetLayout,
    Snapshot,
};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::convert::data;
use crate::failure::{Context, Failure};
use crate::pending::Pending;
use crate::recipes::Recipe;
use crate::recipes::changes::Changes;
use crate::recipes::hold::Hold;
use crate::session::Session;
use crate::value::value;

/// What one look found: a word, its revision, the value if it is whole, what is wrong if not.
type Look<T> = (&'static str, i64, Option<T>, Option<String>);

/// Follows the data of one znode; pending until the first look, then `Changes` of looks.
#[pyfunction]
pub(crate) fn follow_value(session: &Session, path: &str) -> Result<Pending, Failure> {
    let client = session.client()?.clone();
    let builder = Config::of_value(&client, path)?;
    let context = Context::new("config", Some(path));
    Ok(follow(context, client, builder))
}

/// A configuration of several keys.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct ConfigSet(Recipe<(Client, RecipeSet)>);

#[pymethods]
impl ConfigSet {
    #[new]
    fn new(session: &Session, path: &str, layout: &str) -> Result<Self, Failure> {
        let layout = match layout {
            "ready" => SetLayout::Ready,
            "versions" => SetLayout::Versions,
            _ => {
                let text = format!("layout must be \"versions\" or \"ready\", not {layout:?}");
                return Err(Failure::Argument(text));
            }
        };
        let client = session.client()?.clone();
        let set = RecipeSet::new(&client, path)?.layout(layout);
        Ok(Self(Recipe::new((client, set), path)))
    }

    /// The pending value is the zxid that orders it.
    fn publish(
        &self,
        keys: BTreeMap<String, PyBackedBytes>,
        hold: Option<&Bound<'_, Hold>>,
    ) -> Result<Pending, Failure> {
        let keys: Keys = keys
            .into_iter()
            .map(|(key, bytes)| (key, data(&bytes)))
            .collect();
        let guard = hold.map(|hold| hold.get().share()).transpose()?;
        self.0.call("publish", |(_, set)| async move {
            let published = set.publish(&keys, guard.as_deref().map(Deref::deref)).await;
            published.map(|zxid| zxid.0)
        })
    }

    /// Pending until the first look, then `Changes` of looks.
    fn follow(&self) -> Result<Pending, Failure> {
        let (client, set) = self.0.handle()?;
        let context = self.0.context("follow");
        Ok(follow(context, client.clone(), set.follow()))
    }
}

fn follow<T>(context: Context, client: Client, builder: ConfigBuilder<T, T>) -> Pending
where
    T: Clone + Send + Sync + for<'py> IntoPyObject<'py> + 'static,
{
    let of_changes = context.clone();
    let call = async move {
        let changes = builder.open().await?.changes();
        let looks = stream::unfold(changes, async |mut changes| {
            let snapshot = changes.next().await?;
            Some((Ok(value(look(snapshot))), changes))
        });
        Ok::<_, RecipeError>(Changes::new(of_changes, &client, looks))
    };
    Pending::new(context, call)
}

fn look<T: Clone>(snapshot: Snapshot<T>) -> Look<T> {
    match (snapshot.status, snapshot.good) {
        (ConfigStatus::Good, Some(good)) => {
            ("good", good.revision.0, Some(good.value.clone()), None)
        }
        (ConfigStatus::Ended(error), _) => ("ended", 0, None, Some(error.to_string())),
        (ConfigStatus::Unreadable(error), _) => ("unreadable", 0, None, Some(error.to_string())),
        (ConfigStatus::Rejected { revision, reason }, _) => {
            ("rejected", revision.0, None, Some(reason))
        }
        // Nothing is there, or nothing that this module knows.
        _ => ("absent", 0, None, None),
    }
}
