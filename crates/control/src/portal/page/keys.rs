//! API keys on the account page: which there are, and the forms to make and to end one.

use maud::{Markup, html};
use portcullis_contract::identity::StoredApiKey;
use portcullis_model::UserPrincipal;

use super::{Form, Forms, narrow, time};

/// What is typed already for a new key.
#[derive(Clone, Copy, Default)]
pub(in crate::portal) struct TypedKey<'a> {
    pub(in crate::portal) name: &'a str,
    pub(in crate::portal) permissions: &'a str,
}

/// The keys.
pub(super) fn list(keys: &[StoredApiKey]) -> Markup {
    if keys.is_empty() {
        return html! { p.quiet { "You have none." } };
    }
    html! {
        ul.rows {
            @for key in keys {
                li {
                    div.what {
                        h3 { (key.name) }
                        p.quiet.small { (may(key)) }
                        p.quiet.small {
                            "Made " (time(key.created)) ", "
                            @match key.expires {
                                Some(expires) => { "ends " (time(expires)) },
                                None => "does not end by itself",
                            }
                        }
                        p.quiet.small {
                            @match key.used {
                                Some(used) => { "Last used " (time(used)) },
                                None => "Never used",
                            }
                        }
                    }
                }
            }
        }
    }
}

fn may(key: &StoredApiKey) -> String {
    let permissions: Vec<String> = key.permissions.iter().map(ToString::to_string).collect();
    if permissions.is_empty() { "May do nothing".to_owned() } else { permissions.join(", ") }
}

/// The form that ends one.
pub(super) fn end(forms: Forms<'_>, keys: &[StoredApiKey]) -> Markup {
    html! {
        details.below {
            summary { "End a key" }
            form method="post" action="/.portcullis/account/keys/end" {
                (forms.proof(Form::EndKey))
                div.field {
                    label for="key" { "Key" }
                    select id="key" name="key" {
                        @for key in keys { option value=(key.id) { (key.name) } }
                    }
                }
                (current("end-current"))
                button type="submit" { "End the key" }
            }
        }
    }
}

/// The form that makes one. It stays open while something is typed.
pub(super) fn make(forms: Forms<'_>, user: &UserPrincipal, typed: TypedKey<'_>) -> Markup {
    let held: Vec<String> = user.permissions.iter().map(ToString::to_string).collect();
    html! {
        details.below open[!typed.name.is_empty()] {
            summary { "Make a key" }
            form method="post" action="/.portcullis/account/keys" {
                (forms.proof(Form::MakeKey))
                div.field {
                    label for="name" { "Name" }
                    input id="name" name="name" value=(typed.name) type="text" autocomplete="off" autocapitalize="none"
                        autocorrect="off" spellcheck="false" maxlength="64" required aria-describedby="key-name-hint";
                    p.hint #key-name-hint { "It appears in logs: say what the key is for." }
                }
                div.field {
                    label for="permissions" { "Permissions" }
                    input id="permissions" name="permissions" value=(typed.permissions) type="text" autocomplete="off"
                        autocapitalize="none" autocorrect="off" spellcheck="false" maxlength="2048"
                        aria-describedby="permissions-hint";
                    p.hint #permissions-hint {
                        "Separated by blanks, and no more than your own: "
                        @if held.is_empty() { "you have none." } @else { code { (held.join(" ")) } }
                    }
                }
                div.field {
                    label for="lasts" { "Good for" }
                    select id="lasts" name="lasts" {
                        option value="7" { "7 days" }
                        option value="30" selected { "30 days" }
                        option value="90" { "90 days" }
                        option value="365" { "a year" }
                    }
                }
                (current("make-current"))
                button type="submit" { "Make the key" }
            }
        }
    }
}

/// The password once more: a key outlives the session that it is made in.
fn current(id: &str) -> Markup {
    html! {
        div.field {
            label for=(id) { "Current password" }
            input id=(id) name="current" type="password" autocomplete="current-password" maxlength="1024" required;
        }
    }
}

/// The page that shows a new key, once.
pub(in crate::portal) fn made(key: &StoredApiKey, text: &str, back: &str) -> Markup {
    let card = html! {
        h1 { "Your new key" }
        p { "This is the key " strong { (key.name) } ". It is shown now and never again: put it where your program finds it, \
            and where nobody else does." }
        p.secret { code { (text) } }
        p.quiet { (may(key)) }
        p.quiet.small {
            @if let Some(expires) = key.expires { "It ends " (time(expires)) "." }
        }
        p.below { a.button href=(back) { "Back to your account" } }
    };
    narrow("Your new key", None, card)
}
