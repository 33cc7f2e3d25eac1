//! Taking over the configuration file as it is now.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use portcullis_contract::admin::Actor;
use portcullis_contract::ports::NotTakenOver;

use super::Api;
use super::problem::Problem;

/// Takes over the configuration file as it is now
///
/// No connection ends for it. With a mistake, or a setting that only a restart can change, nothing changes.
#[utoipa::path(post, path = "/config/reload", tag = "config",
    responses((status = 204), (status = 422, body = Problem), (status = "default", body = Problem)))]
pub(super) async fn reload_config(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
) -> Result<StatusCode, Problem> {
    let reload = api.ports.reload.as_deref();
    let reload = reload.ok_or_else(|| Problem::conflict("no node runs that could take it over"))?;
    match reload.reload(by).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(why @ NotTakenOver::NotKept(_)) => Err(Problem::unavailable(why.to_string())),
        Err(why) => {
            let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why.to_string());
            Err(match why {
                NotTakenOver::Mistakes(mistakes) => problem.with(mistakes),
                NotTakenOver::Other(_) | NotTakenOver::NotKept(_) => problem,
            })
        }
    }
}
