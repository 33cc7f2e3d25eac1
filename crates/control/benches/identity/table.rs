//! Figures, and the table that compares them over the sizes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Something that was measured at one size.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    what: String,
    /// Microseconds, where it is a time.
    value: f64,
    is_time: bool,
}

impl Figure {
    /// Of something that happened once.
    pub(crate) fn once(what: &str, time: Duration) -> Self {
        Self { what: what.to_owned(), value: time.as_secs_f64() * 1e6, is_time: true }
    }

    /// Of something that was done again and again.
    pub(crate) fn median(what: &str, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self::once(what, times.get(times.len() / 2).copied().unwrap())
    }

    pub(crate) fn count(what: &str, count: usize) -> Self {
        Self { what: what.to_owned(), value: count as f64, is_time: false }
    }

    pub(crate) fn mebibytes(what: &str, bytes: u64) -> Self {
        Self { what: what.to_owned(), value: (bytes / 1024 / 1024) as f64, is_time: false }
    }
}

/// The figures of one database, by size.
pub(crate) type Sizes = BTreeMap<u64, Vec<Figure>>;

/// Prints them beside each other; those times that grew by more than a factor.
pub(crate) fn print(database: &str, sizes: &Sizes, grows_max: f64) -> Vec<String> {
    let Some((_, first)) = sizes.first_key_value() else { return Vec::new() };
    let heads: String = sizes.keys().map(|users| format!("{users:>12}")).collect();
    println!("\n{:<52}{heads}{:>9}", format!("{database}, microseconds, by number of users"), "grows");
    let mut steep = Vec::new();
    for (at, figure) in first.iter().enumerate() {
        let values: Vec<f64> =
            sizes.values().filter_map(|figures| figures.get(at)).map(|figure| figure.value).collect();
        let shown: String = values.iter().map(|value| format!("{:>12}", shown(figure, *value))).collect();
        let grows = values.iter().copied().fold(figure.value, f64::max) / figure.value;
        let said = if figure.is_time { format!("{grows:.2}") } else { String::new() };
        println!("{:<52}{shown}{said:>9}", figure.what);
        if figure.is_time && grows > grows_max {
            steep.push(format!("{database}: {}: {grows:.2}", figure.what));
        }
    }
    steep
}

fn shown(figure: &Figure, value: f64) -> String {
    match value {
        _ if !figure.is_time => format!("{value:.0}"),
        small if small < 10.0 => format!("{small:.3}"),
        _ => format!("{value:.0}"),
    }
}
