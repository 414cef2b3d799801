//! A call on its way: a future of its result that owns nothing of the client.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lockkeeper_session::{Error, Outcome, Ticket};
use lockkeeper_wire::Response;
use tokio::sync::oneshot;

use crate::inbox::{Command, Inbox};
use crate::runtime::Runtime;

/// Makes a call's result of the reply.
pub(crate) type Finish<T> = Box<dyn FnOnce(Result<Response, Error>) -> Result<T, Error> + Send>;

/// The future of a call's result.
///
/// The request took its place among all others when the method was called. Dropping the future
/// drops the result and nothing else: the request is carried out all the same.
#[must_use = "the request is on its way, but its result is dropped here"]
pub struct Call<T> {
    stage: Stage,
    finish: Option<Finish<T>>,
}

enum Stage {
    /// Never sent.
    Failed(Error),
    Waiting {
        reply: oneshot::Receiver<Result<Response, Error>>,
        ticket: Ticket,
        inbox: Arc<Inbox>,
        runtime: Arc<dyn Runtime>,
    },
}

impl<T> Call<T> {
    pub(crate) fn failed(error: impl Into<Error>) -> Self {
        Self {
            stage: Stage::Failed(error.into()),
            finish: Some(Box::new(|result| {
                Err(result.expect_err("a call that never left has no reply"))
            })),
        }
    }

    pub(crate) fn waiting(
        reply: oneshot::Receiver<Result<Response, Error>>,
        ticket: Ticket,
        inbox: Arc<Inbox>,
        runtime: Arc<dyn Runtime>,
        finish: Finish<T>,
    ) -> Self {
        Self {
            stage: Stage::Waiting {
                reply,
                ticket,
                inbox,
                runtime,
            },
            finish: Some(finish),
        }
    }

    /// Gives the call this long from now, in place of the client's default, which stays for a time
    /// beyond what the clock can say.
    ///
    /// When the time is up the call ends with [`Error::Timeout`]: with [`Outcome::NotApplied`] if
    /// the request had not left, and then it never does. The session and its link go on.
    pub fn timeout(self, after: Duration) -> Self {
        if let Stage::Waiting {
            ticket,
            inbox,
            runtime,
            ..
        } = &self.stage
            && let Some(at) = runtime.now().checked_add(after)
        {
            inbox.push(Command::Deadline(*ticket, at));
        }
        self
    }
}

/// Nothing in a call is pinned.
impl<T> Unpin for Call<T> {}

impl<T> Future for Call<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match &mut self.stage {
            Stage::Failed(error) => Err(error.clone()),
            Stage::Waiting { reply, .. } => match Pin::new(reply).poll(cx) {
                Poll::Ready(Ok(result)) => result,
                // The driver has been dropped with its runtime.
                Poll::Ready(Err(_)) => Err(Error::Closed {
                    outcome: Outcome::Unknown,
                }),
                Poll::Pending => return Poll::Pending,
            },
        };
        let finish = self.finish.take().expect("polled after it was ready");
        Poll::Ready(finish(result))
    }
}

impl<T> std::fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Client, OneShotWatch, PersistentWatch, Znode};

    #[test]
    fn handles_and_calls_are_at_home_in_any_task() {
        fn sent<T: Send + 'static>() {}
        fn shared<T: Send + Sync + Clone + 'static>() {}
        shared::<Client>();
        sent::<Call<(Znode, OneShotWatch)>>();
        sent::<Call<PersistentWatch>>();
        sent::<crate::States>();
    }
}
