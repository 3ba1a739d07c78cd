//! Ages in the short form of kubectl's tables.
//!
//! Never here: times in objects; those are RFC 3339.

use crate::domain::timestamp::Micros;

/// The time since a moment, for a table.
pub(crate) fn since(then: Micros) -> String {
    short(jiff::Timestamp::now().as_second().saturating_sub(then.seconds()))
}

/// A duration of seconds as kubectl writes it: the two largest units while they matter.
fn short(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: i64, unit: &str, rest: i64, small: &str| {
        if rest == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{rest}{small}") }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        _ => two(days / 365, "y", days % 365, "d"),
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn ages_are_short() {
        for (seconds, text) in
            [(-5, "0s"), (119, "119s"), (125, "2m5s"), (600, "10m"), (10_860, "3h1m"), (86_400, "24h"), (172_800, "2d")]
        {
            assert_eq!(short(seconds), text);
        }
        assert_eq!(short(3 * 365 * 86_400), "3y");
    }
}
