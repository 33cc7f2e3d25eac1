//! A list of actions: `id:1,phase:2,deny,msg:'it\'s wrong',t:none`.

use super::{ALL, Action};
use crate::error::Problem;
use crate::lang::excerpt;

/// Reads the list.
pub(crate) fn parse_list(text: &str) -> Result<Vec<Action>, Problem> {
    let mut actions = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find([':', ',']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (argument, after) = match after.strip_prefix(':') {
            Some(after) => {
                let (argument, after) = argument(after)?;
                (Some(argument), after)
            }
            None => (None, after),
        };
        let name = name.trim();
        if name.is_empty() {
            return Err(Problem::argument(&excerpt(rest), "an action is missing before the `,`"));
        }
        let entry = ALL.iter().find(|entry| entry.name.eq_ignore_ascii_case(name));
        let entry = entry.ok_or_else(|| Problem::unknown("action", name))?;
        actions.push((entry.parse)(argument.as_deref())?);
        rest = after.trim_start();
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start();
        }
    }
    Ok(actions)
}

/// An argument, and what follows it: a `,` or nothing.
fn argument(text: &str) -> Result<(String, &str), Problem> {
    let text = text.trim_start();
    let Some(quote @ ('\'' | '"')) = text.chars().next() else {
        let end = text.find(',').unwrap_or(text.len());
        let (argument, after) = text.split_at(end);
        return Ok((argument.trim_end().to_owned(), after));
    };
    let mut argument = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        if character == '\\' && next.is_some_and(|next| next == quote || next == '\\') {
            argument.extend(next);
            characters.next();
        } else if character == quote {
            let after = text.get(at + 1..).unwrap_or_default().trim_start();
            if !after.is_empty() && !after.starts_with(',') {
                let why = format!(
                    "a `,` is missing after the closing {quote}; write \\{quote} for a {quote} inside"
                );
                return Err(Problem::argument(&excerpt(&argument), why));
            }
            return Ok((argument, after));
        } else {
            argument.push(character);
        }
    }
    Err(Problem::argument(&excerpt(&argument), format!("the {quote} before it is never closed")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse_list(text).unwrap_err().to_string()
    }

    #[test]
    fn arguments_are_quoted_or_end_at_a_comma() {
        let actions = parse_list(r"id:7, msg:'a, \'b\' \d' ,tag:x y,  deny").unwrap();
        let [Action::Id(7), Action::Message(message), Action::Tag(tag), Action::Deny] = actions.as_slice()
        else {
            panic!("{actions:?}");
        };
        assert_eq!(message.literal(), Some(br"a, 'b' \d".as_slice()));
        assert_eq!(tag, "x y");
    }

    #[test]
    fn what_is_not_an_action_is_refused() {
        assert_eq!(refused("id:1,explode"), "unknown action `explode`");
        assert_eq!(refused("id:1,,deny"), "`,deny`: an action is missing before the `,`");
        assert_eq!(refused("msg:'a"), "`a`: the ' before it is never closed");
        assert_eq!(
            refused("msg:'a'b',deny"),
            "`a`: a `,` is missing after the closing '; write \\' for a ' inside"
        );
        assert_eq!(refused("deny:5"), "`deny`: it takes no argument, here is `5`");
        assert_eq!(refused("id"), "`id`: it needs an argument");
        assert_eq!(refused("id:x"), "`id`: `x` is not a number from 1 to 18446744073709551615");
    }
}
