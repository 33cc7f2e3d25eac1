//! Upload and download: bounded while the bytes come in, not only afterwards.

use std::io;

use axum::Json;
use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::Application;
use super::refused::Refused;
use super::store::{FILE_BYTES_MAX, Kept};

const NAME_CHARACTERS_MAX: usize = 100;
/// A download goes out in pieces of this size, so that a slow reader's buffer stays small.
const PIECE_BYTES: usize = 64 * 1024;

pub(super) async fn list(State(application): State<Application>) -> Json<Value> {
    let store = application.store();
    let files: Vec<Value> =
        store.files().map(|(name, bytes)| json!({ "name": name, "bytes": bytes })).collect();
    Json(json!({ "count": files.len(), "files": files }))
}

pub(super) async fn upload(
    State(application): State<Application>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, Refused> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.len() > NAME_CHARACTERS_MAX || name.starts_with('.') || !name.chars().all(plain) {
        return Err(Refused::bad_request("a file's name has up to 100 letters, digits, `.`, `_` and `-`"));
    }
    if declared_length(&headers).is_some_and(|length| length > FILE_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let mut upload = Upload { application, data: Vec::new() };
    upload.receive(body.into_data_stream()).await?;
    let bytes = upload.data.len();
    let status = match upload.keep(&name)? {
        Kept::New => StatusCode::CREATED,
        Kept::Replaced => StatusCode::OK,
    };
    Ok((status, Json(json!({ "name": name, "bytes": bytes }))))
}

pub(super) async fn download(
    State(application): State<Application>,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, Refused> {
    let file = application.store().file(&name).ok_or_else(|| Refused::not_found("there is no such file"))?;
    let length = file.len().to_string();
    let pieces = stream::unfold(file, |mut left| async move {
        let piece = left.split_to(left.len().min(PIECE_BYTES));
        (!piece.is_empty()).then_some((Ok::<Bytes, io::Error>(piece), left))
    });
    // Never shown in place: an uploaded page must not run with this origin's rights.
    let fields = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (header::CONTENT_LENGTH, length),
    ];
    Ok((fields, Body::from_stream(pieces)))
}

/// A file that is coming in. Its memory is set aside in the store before it grows, and given back when it is dropped.
struct Upload {
    application: Application,
    data: Vec<u8>,
}

impl Upload {
    async fn receive(&mut self, mut body: BodyDataStream) -> Result<(), Refused> {
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|_| Refused::bad_request("the upload broke off"))?;
            if self.data.len() + piece.len() > FILE_BYTES_MAX {
                return Err(too_large());
            }
            self.application.store().reserve(piece.len())?;
            self.data.extend_from_slice(&piece);
        }
        Ok(())
    }

    fn keep(mut self, name: &str) -> Result<Kept, Refused> {
        let application = self.application.clone();
        let mut store = application.store();
        // Exactly as large as its content; the vector it was gathered in had room to grow.
        let data = std::mem::take(&mut self.data).into_boxed_slice();
        let bytes = data.len();
        let kept = store.keep_file(name, data.into());
        if kept.is_err() {
            store.release(bytes);
        }
        // Before `self`, whose drop takes the store too.
        drop(store);
        kept
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.application.store().release(self.data.len());
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large() -> Refused {
    Refused::too_large("a file has at most 10 MiB")
}
