//! The portal's pages as HTML. They work without a script and are read well by a screen reader: each has one heading, each
//! field a label, and what went wrong is said first, in the title too.
//!
//! Only words are in here: what is true is decided by who calls. All text goes through the template, which escapes it.

mod keys;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use portcullis_access::browser::BrowserSecret;
use portcullis_contract::identity::{Session, StoredApiKey};
use portcullis_model::{SessionId, UserPrincipal};

pub(super) use self::keys::{TypedKey, made as made_key};
use super::user_agent;
use super::way::Way;

/// What is wrong with a new password that was typed in two ways.
pub(super) const NOT_THE_SAME: &str = "The two new passwords are not the same.";

/// Least characters of a new password, for the browser's own check; the one that counts is made elsewhere.
const PASSWORD_CHARACTERS_MIN: u8 = 12;

/// An arch with a grid in it.
const MARK: &str = "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\" fill=\"none\" stroke=\"currentColor\" \
    stroke-width=\"1.75\" stroke-linecap=\"round\"><path d=\"M4 21.5V10a8 8 0 0 1 16 0v11.5M4 11h16M4 16h16M8 4v16.5M12 \
    2.5v18M16 4v16.5\"/></svg>";

/// What a page is made of beside its own words.
#[derive(Clone, Copy)]
pub(super) struct Forms<'a> {
    /// The browser that is shown it.
    pub(super) browser: &'a BrowserSecret,
    /// The session that it is shown in.
    pub(super) session: Option<SessionId>,
}

impl Forms<'_> {
    /// What shows that a form comes back from the browser that was given it.
    fn proof(&self, form: Form) -> Markup {
        html! { input type="hidden" name="proof" value=(self.browser.form_field(form.name(), self.session)); }
    }
}

/// The forms of the portal. A proof for one is none for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    LogIn,
    LogOut,
    SetUp,
    Password,
    EndSessions,
    MakeKey,
    EndKey,
}

impl Form {
    /// What its proof is made with.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::LogIn => "login",
            Self::LogOut => "logout",
            Self::SetUp => "setup",
            Self::Password => "password",
            Self::EndSessions => "sessions",
            Self::MakeKey => "key",
            Self::EndKey => "key-end",
        }
    }
}

/// What is said at the top of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// Something was done.
    Done(&'a str),
    /// Something was not.
    Wrong(&'a str),
}

impl Said<'_> {
    fn is_wrong(said: Option<Self>) -> bool {
        matches!(said, Some(Self::Wrong(_)))
    }
}

/// The page to log in with.
pub(super) fn log_in(forms: Forms<'_>, way: Option<&Way>, name: &str, said: Option<Said<'_>>) -> Markup {
    let is_wrong = Said::is_wrong(said);
    let card = html! {
        h1 { "Log in" }
        @if let Some(Way::There(there)) = way {
            p.quiet { "to go on to " strong { (there.host) } }
        }
        (notice(said))
        form method="post" action="/.portcullis/login" {
            (forms.proof(Form::LogIn))
            (hidden(way))
            div.field {
                label for="username" { "User name" }
                input id="username" name="username" value=(name) type="text" autocomplete="username"
                    autocapitalize="none" autocorrect="off" spellcheck="false" maxlength="128" required
                    autofocus[!is_wrong] aria-invalid=[is_wrong.then_some("true")]
                    aria-describedby=[is_wrong.then_some("said")];
            }
            div.field {
                label for="password" { "Password" }
                input id="password" name="password" type="password" autocomplete="current-password"
                    maxlength="1024" required autofocus[is_wrong] aria-invalid=[is_wrong.then_some("true")]
                    aria-describedby=[is_wrong.then_some("said")];
            }
            button.full type="submit" { "Log in" }
        }
    };
    narrow("Log in", said, card)
}

/// The way on, as the form brings it back.
fn hidden(way: Option<&Way>) -> Markup {
    html! {
        @match way {
            Some(Way::Here(back)) => { input type="hidden" name="return" value=(back.as_str()); },
            Some(Way::There(there)) => {
                input type="hidden" name="to" value=(there.host);
                input type="hidden" name="return" value=(there.back.as_str());
                @if let Some(browser) = &there.browser { input type="hidden" name="state" value=(browser); }
            },
            None => {},
        }
    }
}

/// The page on which a code is typed: that of the first administrator, or one that an administrator has handed out.
pub(super) fn set_up(forms: Forms<'_>, name: &str, said: Option<Said<'_>>) -> Markup {
    let card = html! {
        h1 { "Set up" }
        p.quiet { "With the code that an administrator gave you, choose a password of your own. While there is no account, \
            make the first administrator: the start of the gate has shown a code in the terminal, and keeps it in the file "
            code { "setup-code" } " of its state folder, for one hour." }
        (notice(said))
        form method="post" action="/.portcullis/setup" autocomplete="on" {
            (forms.proof(Form::SetUp))
            div.field {
                label for="code" { "Code" }
                input.code id="code" name="code" type="text" autocomplete="one-time-code" autocapitalize="characters"
                    autocorrect="off" spellcheck="false" maxlength="80" required autofocus
                    aria-describedby=[Said::is_wrong(said).then_some("said")];
            }
            div.field {
                label for="username" { "User name" }
                input id="username" name="username" value=(name) type="text" autocomplete="username"
                    autocapitalize="none" autocorrect="off" spellcheck="false" maxlength="128" required
                    aria-describedby="name-hint";
                p.hint #name-hint { "Letters a to z, digits, and " code { ". _ + @ -" } }
            }
            (new_password())
            button.full type="submit" { "Set the password" }
        }
    };
    narrow("Set up", said, card)
}

/// What an account page is about.
pub(super) struct Account<'a> {
    pub(super) user: &'a UserPrincipal,
    pub(super) sessions: &'a [Session],
    pub(super) keys: &'a [StoredApiKey],
    /// What is typed already for a new key, where keys can be made.
    pub(super) new_key: Option<TypedKey<'a>>,
}

/// The page of one's own account.
pub(super) fn account(forms: Forms<'_>, account: &Account<'_>, said: Option<Said<'_>>) -> Markup {
    let main = html! {
        div.bar {
            (brand())
            form method="post" action="/.portcullis/logout" {
                (forms.proof(Form::LogOut))
                button.plain type="submit" { "Log out" }
            }
        }
        main {
            h1 { "Your account" }
            (notice(said))
            section.card aria-labelledby="who" {
                h2 #who { (account.user.name) }
                p.quiet { (roles(account.user)) }
            }
            section.card aria-labelledby="sessions" {
                h2 #sessions { "Where you are logged in" }
                (sessions(forms, account))
            }
            section.card aria-labelledby="change" {
                h2 #change { "Change your password" }
                p.quiet { "Your other sessions end with the old password." }
                (password(forms, account.user))
            }
            section.card aria-labelledby="keys" {
                h2 #keys { "API keys" }
                (keys::list(account.keys))
                @if let Some(typed) = account.new_key { (keys::make(forms, account.user, typed)) }
                @if !account.keys.is_empty() { (keys::end(forms, account.keys)) }
            }
        }
    };
    document("Your account", Width::Wide, said, main)
}

fn roles(user: &UserPrincipal) -> String {
    match user.roles.as_slice() {
        [] => "No roles".to_owned(),
        roles => {
            let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
            let word = if names.len() == 1 { "Role" } else { "Roles" };
            format!("{word}: {}", names.join(", "))
        }
    }
}

fn sessions(forms: Forms<'_>, account: &Account<'_>) -> Markup {
    let others = account.sessions.iter().filter(|session| session.id != account.user.session).count();
    html! {
        ul.rows {
            @for session in account.sessions {
                @let program = user_agent::program(session.user_agent.as_deref());
                li {
                    div.what {
                        h3 title=[session.user_agent.as_deref()] {
                            (program)
                            @if session.id == account.user.session { span.mark { "this session" } }
                        }
                        p.quiet.small {
                            @if let Some(address) = session.address { "From " (address) ", begun " } @else { "Begun " }
                            (time(session.created))
                        }
                        p.quiet.small { "Last used " (time(session.seen)) }
                    }
                    form method="post" action="/.portcullis/account/sessions/end" {
                        (forms.proof(Form::EndSessions))
                        input type="hidden" name="session" value=(session.id);
                        button.plain type="submit" aria-label={ "End the session of " (program) ", begun "
                            (moment(session.created)) } { "End" }
                    }
                }
            }
        }
        @if others > 0 {
            form.below method="post" action="/.portcullis/account/sessions/end" {
                (forms.proof(Form::EndSessions))
                input type="hidden" name="session" value="others";
                button.plain type="submit" { "End all other sessions" }
            }
        }
    }
}

fn password(forms: Forms<'_>, user: &UserPrincipal) -> Markup {
    html! {
        form method="post" action="/.portcullis/account/password" {
            (forms.proof(Form::Password))
            // Tells a password manager whose password changes; without a name it is not sent.
            input type="text" autocomplete="username" value=(user.name) readonly hidden;
            div.field {
                label for="current" { "Current password" }
                input id="current" name="current" type="password" autocomplete="current-password"
                    maxlength="1024" required;
            }
            (new_password())
            button type="submit" { "Change password" }
        }
    }
}

fn new_password() -> Markup {
    html! {
        div.field {
            label for="new" { "New password" }
            input id="new" name="new" type="password" autocomplete="new-password"
                minlength=(PASSWORD_CHARACTERS_MIN) maxlength="1024" required aria-describedby="new-hint";
            p.hint #new-hint { "12 to 128 characters, any of them. Some words that nobody else would put together are \
                better than signs and digits." }
        }
        div.field {
            label for="again" { "New password again" }
            input id="again" name="again" type="password" autocomplete="new-password" maxlength="1024" required;
        }
    }
}

/// The page between a log-in and what was asked for. It goes on by itself, and no longer as a part of the form.
pub(super) fn going_on(address: &str) -> Markup {
    let main = html! {
        (brand())
        main.card {
            h1 { "You are logged in" }
            p.below { a.button href=(address) { "Go on" } }
        }
    };
    whole("You are logged in", Width::Narrow, None, Some(address), main)
}

/// A page that only says something, with one way on.
pub(super) fn message(title: &str, words: &str, on: Option<(&str, &str)>, id: Option<&str>) -> Markup {
    let card = html! {
        h1 { (title) }
        p { (words) }
        @if let Some((address, label)) = on {
            p.below { a.button href=(address) { (label) } }
        }
        @if let Some(id) = id {
            p.quiet.small.below { "If you ask for help, give this number: " code { (id) } }
        }
    };
    narrow(title, None, card)
}

/// The words of an error as a sentence.
pub(super) fn sentence(words: &impl std::fmt::Display) -> String {
    let words = words.to_string();
    let mut characters = words.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).chain(['.']).collect()
}

fn narrow(title: &str, said: Option<Said<'_>>, card: Markup) -> Markup {
    let main = html! {
        (brand())
        main.card { (card) }
    };
    document(title, Width::Narrow, said, main)
}

#[derive(Clone, Copy)]
enum Width {
    Narrow,
    Wide,
}

fn document(title: &str, width: Width, said: Option<Said<'_>>, body: Markup) -> Markup {
    whole(title, width, said, None, body)
}

/// A document, and where it leads by itself.
fn whole(title: &str, width: Width, said: Option<Said<'_>>, leads_to: Option<&str>, body: Markup) -> Markup {
    let class = match width {
        Width::Narrow => "column",
        Width::Wide => "column wide",
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                @if let Some(address) = leads_to { meta http-equiv="refresh" content={ "0; url=" (address) }; }
                // A screen reader says the title first.
                title { @if Said::is_wrong(said) { "Error: " } (title) }
                link rel="stylesheet" href="/.portcullis/style.css";
            }
            body {
                div class=(class) { (body) }
            }
        }
    }
}

fn brand() -> Markup {
    html! { div.brand { (PreEscaped(MARK)) span { "Portcullis" } } }
}

fn notice(said: Option<Said<'_>>) -> Markup {
    html! {
        @match said {
            Some(Said::Done(words)) => { p.notice #said role="status" { (words) } },
            Some(Said::Wrong(words)) => { p.notice.bad #said role="alert" { (words) } },
            None => {},
        }
    }
}

fn time(at: jiff::Timestamp) -> Markup {
    html! { time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) { (moment(at)) } }
}

/// In UTC: the gate does not know where its reader lives.
fn moment(at: jiff::Timestamp) -> String {
    at.strftime("%-d %b %Y, %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests;
