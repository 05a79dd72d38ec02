//! Answers on their way to clients that take them slowly.
//!
//! Invariant: a connection counts as busy until the last piece of its answer is taken to be sent, so that it is not closed
//! to make room for another. Bodies go out unchanged, in pieces small enough for that to be noticed.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};

use super::connections::Busy;

/// Bytes handed over at once.
const PIECE: usize = 64 * 1024;

/// The body of an answer, which keeps its connection busy until its last piece is taken to be sent.
pub(super) struct Unfinished {
    body: Body,
    rest: Bytes,
    _busy: Busy,
}

impl Unfinished {
    pub fn new(body: Body, busy: Busy) -> Self {
        Self { body, rest: Bytes::new(), _busy: busy }
    }
}

impl hyper::body::Body for Unfinished {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(frame))) => return Poll::Ready(Some(Ok(frame))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let most = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(most)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let (low, high) = (hint.lower() + rest, hint.upper().map(|high| high + rest));
        if let Some(high) = high {
            hint.set_upper(high);
        }
        hint.set_lower(low);
        hint
    }
}
