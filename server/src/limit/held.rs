//! A body that holds a seat for as long as it is being sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::reply::Body;

struct Held<T> {
    body: Body,
    _seat: T,
}

/// A response that keeps `seat` until its body has been sent, or nobody wants it any more.
pub fn hold(response: Response<Body>, seat: impl Send + Unpin + 'static) -> Response<Body> {
    response.map(|body| Held { body, _seat: seat }.boxed_unsync())
}

impl<T: Unpin> HttpBody for Held<T> {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
