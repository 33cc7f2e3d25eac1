//! What rules mean: a few rules and a request in, the ids of the rules that match out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the failure report"
)]

use portcullis_waf::load::Memory;
use portcullis_waf::{Decision, Origin, RequestHead, Rules, Transaction};

const ORIGIN: Origin<'_> = Origin {
    client: "192.0.2.1",
    client_port: 50_000,
    server: "192.0.2.2",
    server_port: 443,
    unique_id: "abc",
    unix_s: 1_700_000_000,
};

fn load(text: &str) -> Result<Rules, Vec<String>> {
    let mut files = Memory::default();
    files.0.insert("a.conf".to_owned(), text.as_bytes().to_vec());
    files.0.insert("words".to_owned(), b"# words\nevil\nworse\n".to_vec());
    Rules::load(&mut files, &["a.conf"])
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn rules(text: &str) -> Rules {
    load(text).unwrap_or_else(|problems| panic!("{}", problems.join("\n")))
}

/// Sends a request with a form; the line tells method and target.
fn send(rules: &Rules, line: &str, body: &str) -> (Transaction, Decision) {
    let (method, target) = line.split_once(' ').unwrap();
    let mut transaction = rules.begin(&ORIGIN);
    let mut headers: Vec<(&[u8], &[u8])> = vec![(b"Host", b"example.com:8443"), (b"Cookie", b"a=1; b=2")];
    if !body.is_empty() {
        headers.push((b"Content-Type", b"application/x-www-form-urlencoded"));
    }
    let head = RequestHead {
        method: method.as_bytes(),
        target: target.as_bytes(),
        protocol: b"HTTP/1.1",
        headers: &headers,
    };
    let mut decision = transaction.request_head(&head);
    if decision == Decision::Pass {
        decision = transaction.request_body(body.as_bytes());
    }
    if decision == Decision::Pass {
        decision =
            transaction.response_head(200, b"HTTP/1.1", &[(b"Content-Type", b"text/html; charset=utf-8")]);
    }
    if decision == Decision::Pass {
        decision = transaction.response_body(b"<p>Hello</p>");
    }
    transaction.finish();
    (transaction, decision)
}

fn ids(transaction: &Transaction) -> Vec<u64> {
    transaction.matches().iter().map(|one| one.about.id).collect()
}

/// The rules, a request, and the ids of those that match.
fn check(text: &str, line: &str, expected: &[u64]) {
    let (transaction, _) = send(&rules(text), line, "");
    assert_eq!(ids(&transaction), expected, "{line}\n{text}");
}

fn message(text: &str, line: &str) -> String {
    let (transaction, _) = send(&rules(text), line, "");
    let last = transaction.matches().last().unwrap_or_else(|| panic!("nothing matches {line}"));
    String::from_utf8_lossy(&last.message).into_owned()
}

#[test]
fn targets_are_selected_counted_and_excepted() {
    check(r#"SecRule ARGS "@rx ^x$" "id:1,pass""#, "GET /?a=x", &[1]);
    check(r#"SecRule ARGS:b "@rx x" "id:1,pass""#, "GET /?a=x&B=x", &[]);
    check(r#"SecRule ARGS|!ARGS:a "@rx x" "id:1,pass""#, "GET /?a=x", &[]);
    check(r#"SecRule ARGS|!ARGS:/^a/ "@rx x" "id:1,pass""#, "GET /?ab=x&b=x", &[1]);
    check(r#"SecRule &ARGS "@eq 2" "id:1,pass""#, "GET /?a=x&a=y", &[1]);
    check(r#"SecRule &ARGS:a "@eq 0" "id:1,pass""#, "GET /?b=x", &[1]);
    check(r#"SecRule ARGS_NAMES "@streq a b" "id:1,pass""#, "GET /?a+b=x", &[1]);
    check(r#"SecRule REQUEST_HEADERS:hOST "@contains example" "id:1,pass""#, "GET /", &[1]);
    check(r#"SecRule REQUEST_COOKIES:b "@streq 2" "id:1,pass""#, "GET /", &[1]);
    check(r#"SecRule REQUEST_COOKIES_NAMES "@streq b" "id:1,pass""#, "GET /", &[1]);
}

#[test]
fn the_parts_of_a_target_are_told_apart() {
    let rule = |variable: &str, text: &str| format!("SecRule {variable} \"@streq {text}\" \"id:1,pass\"");
    let line = "GET http://example.com/a%20b/c.d?x=%41";
    check(&rule("REQUEST_URI_RAW", "http://example.com/a%20b/c.d?x=%41"), line, &[1]);
    check(&rule("REQUEST_URI", "/a%20b/c.d?x=%41"), line, &[1]);
    check(&rule("REQUEST_FILENAME", "/a b/c.d"), line, &[1]);
    check(&rule("REQUEST_BASENAME", "c.d"), line, &[1]);
    check(&rule("QUERY_STRING", "x=%41"), line, &[1]);
    check(&rule("ARGS_GET:x", "A"), line, &[1]);
    check(&rule("REQUEST_LINE", "GET http://example.com/a%20b/c.d?x=%41 HTTP/1.1"), line, &[1]);
    check(&rule("SERVER_NAME", "example.com"), line, &[1]);
    check(&rule("REMOTE_ADDR", "192.0.2.1"), line, &[1]);
    check(&rule("TIME_EPOCH", "1700000000"), line, &[1]);
    check(&rule("TIME", "22:13:20"), line, &[1]);
    check(&rule("TIME_DAY", "14"), line, &[1]);
    check(&rule("TIME_MON", "10"), line, &[1]);
    check(&rule("TIME_YEAR", "2023"), line, &[1]);
    check(&rule("TIME_WDAY", "2"), line, &[1]);
}

#[test]
fn a_pattern_needs_no_operator_and_can_be_negated() {
    check(r#"SecRule ARGS ^x "id:1,pass""#, "GET /?a=xy", &[1]);
    check(r#"SecRule ARGS !^x "id:1,pass""#, "GET /?a=xy", &[]);
    check(r#"SecRule ARGS "!@rx ^x" "id:1,pass""#, "GET /?a=y", &[1]);
    check(r#"SecRule ARGS "@pmFromFile words" "id:1,pass""#, "GET /?a=more+EVIL", &[1]);
}

#[test]
fn a_chain_matches_when_all_its_rules_do() {
    let chain = r#"
        SecRule ARGS:a "@rx x" "id:1,pass,chain"
          SecRule ARGS:b "@rx y" "t:none""#;
    check(chain, "GET /?a=x&b=y", &[1]);
    check(chain, "GET /?a=x&b=z", &[]);
}

#[test]
fn what_a_rule_does_happens_at_each_match_even_if_its_chain_fails() {
    let rules = r#"
        SecRule ARGS "@rx x" "id:1,pass,nolog,setvar:tx.count=+2,chain"
          SecRule ARGS:b "@rx never" "setvar:tx.never=1"
        SecRule TX:count "@eq 4" "id:2,pass,msg:'%{tx.count} %{tx.never}'""#;
    assert_eq!(message(rules, "GET /?a=x&b=x&c=y"), "4 ");
}

#[test]
fn matched_vars_hold_what_the_rule_before_has_matched() {
    let chain = r#"
        SecRule ARGS "@rx x" "id:1,pass,msg:'%{MATCHED_VAR_NAME} is %{MATCHED_VAR}',chain"
          SecRule MATCHED_VARS "@rx y""#;
    assert_eq!(message(chain, "GET /?a=x&b=xy&c=y"), "ARGS:b is xy");
    check(chain, "GET /?a=x&c=y", &[]);
}

#[test]
fn captures_are_read_by_later_rules() {
    let rules = r#"
        SecRule ARGS "@rx (\d+)-(\d+)" "id:1,pass,capture,msg:'%{TX.0} %{TX.1} %{tx.2}%{TX.3}',chain"
          SecRule TX:2 "@lt %{TX.1}""#;
    assert_eq!(message(rules, "GET /?a=xx50-7"), "50-7 50 7");
    check(rules, "GET /?a=7-50", &[]);
}

#[test]
fn transformations_follow_each_other_and_may_each_be_tried() {
    check(r#"SecRule ARGS "@streq ab" "id:1,pass,t:lowercase,t:removeWhitespace""#, "GET /?a=A+B", &[1]);
    check(r#"SecRule ARGS "@streq AB" "id:1,pass,t:lowercase,t:none""#, "GET /?a=AB", &[1]);
    check(r#"SecRule ARGS "@streq a+b" "id:1,pass,t:lowercase,t:length""#, "GET /?a=A%2bB", &[]);
    check(r#"SecRule ARGS "@streq a+b" "id:1,pass,multiMatch,t:lowercase,t:length""#, "GET /?a=A%2bB", &[1]);
}

#[test]
fn default_actions_hold_for_the_rules_of_their_phase() {
    let rules = r#"
        SecRuleEngine On
        SecDefaultAction "phase:2,log,auditlog,deny,status:418,t:lowercase"
        SecRule ARGS "@streq x" "id:1,phase:2,block"
        SecRule ARGS "@streq x" "id:2,phase:1,block""#;
    let (transaction, decision) = send(&self::rules(rules), "GET /?a=X", "");
    assert_eq!(ids(&transaction), [1]);
    let Decision::Refuse(refusal) = decision else { panic!("{decision:?}") };
    assert_eq!((refusal.rule, refusal.status), (1, 418));
}

#[test]
fn a_refusal_ends_all_but_the_last_phase() {
    let text = r#"
        SecRuleEngine On
        SecRule ARGS "@rx x" "id:1,phase:1,deny"
        SecRule ARGS "@rx x" "id:2,phase:1,pass"
        SecRule ARGS "@rx x" "id:3,phase:2,pass"
        SecRule ARGS "@rx x" "id:5,phase:5,pass""#;
    let (transaction, decision) = send(&rules(text), "GET /?a=x", "");
    assert_eq!(ids(&transaction), [1, 5]);
    assert!(matches!(decision, Decision::Refuse(_)));
    let (transaction, decision) = send(&rules(&text.replace("On", "DetectionOnly")), "GET /?a=x", "");
    assert_eq!(ids(&transaction), [1, 2, 3, 5]);
    assert_eq!(decision, Decision::Pass);
    assert_eq!(transaction.refusal().map(|refusal| refusal.rule), Some(1));
}

#[test]
fn redirections_and_drops_are_told() {
    let text = "SecRuleEngine On\nSecRule ARGS x \"id:1,phase:1,redirect:'https://x.example/%{ARGS.a}'\"";
    let (_, decision) = send(&rules(text), "GET /?a=x", "");
    let Decision::Refuse(refusal) = decision else { panic!("{decision:?}") };
    assert_eq!((refusal.status, refusal.redirect.as_deref()), (302, Some(&b"https://x.example/x"[..])));
    let (_, decision) =
        send(&rules("SecRuleEngine On\nSecRule ARGS x \"id:1,phase:1,drop\""), "GET /?a=x", "");
    assert!(matches!(decision, Decision::Refuse(refusal) if refusal.drops && refusal.status == 403));
}

#[test]
fn allow_ends_as_many_phases_as_it_says() {
    let rules = |scope: &str| {
        format!(
            r#"SecRuleEngine On
            SecRule ARGS x "id:1,phase:1,allow{scope}"
            SecRule ARGS x "id:2,phase:1,pass"
            SecRule ARGS x "id:3,phase:2,pass"
            SecRule ARGS x "id:4,phase:3,pass"
            SecRule ARGS x "id:5,phase:5,pass""#
        )
    };
    check(&rules(":phase"), "GET /?a=x", &[1, 3, 4, 5]);
    check(&rules(":request"), "GET /?a=x", &[1, 4, 5]);
    check(&rules(""), "GET /?a=x", &[1, 5]);
}

#[test]
fn rules_are_skipped_by_number_or_to_a_marker() {
    check(
        r#"SecRule ARGS x "id:1,pass,skip:2"
           SecAction "id:2,pass,chain"
             SecRule ARGS x
           SecAction "id:3,pass"
           SecAction "id:4,pass""#,
        "GET /?a=x",
        &[1, 4],
    );
    let marked = r#"
        SecRule ARGS x "id:1,phase:1,pass,skipAfter:END"
        SecAction "id:2,phase:1,pass"
        SecAction "id:3,phase:2,pass"
        SecMarker END
        SecAction "id:4,phase:1,pass""#;
    check(marked, "GET /?a=x", &[1, 4, 3]);
    check(marked, "GET /?a=y", &[2, 4, 3]);
}

#[test]
fn variables_count_unset_and_take_names_from_values() {
    let text = r#"
        SecAction "id:1,pass,nolog,setvar:tx.a=5,setvar:tx.b=x,setvar:tx.a=+%{tx.a},setvar:tx.a=-3,setvar:!tx.b"
        SecRule ARGS_NAMES "@rx ." "id:2,pass,nolog,setvar:'tx.count_%{MATCHED_VAR_NAME}=+1'"
        SecRule TX:/^COUNT_/ "@gt 1" "id:3,pass,msg:'%{tx.a} %{tx.b} %{MATCHED_VAR_NAME}'""#;
    assert_eq!(message(text, "GET /?p=1&q=2&p=3"), "7  TX:count_args_names:p");
}

#[test]
fn ctl_removes_rules_and_targets_for_this_request() {
    let text = |ctl: &str| {
        format!(
            r#"SecRule ARGS:off "@streq 1" "id:1,phase:1,pass,nolog,ctl:{ctl}"
               SecRule ARGS|REQUEST_URI "@rx x" "id:2,pass,tag:'a/b',msg:'found it'"
               SecAction "id:3,pass""#
        )
    };
    for ctl in [
        "ruleRemoveById=2",
        "ruleRemoveById=1-2",
        "ruleRemoveByTag=^a/",
        "ruleRemoveByMsg=found",
        "ruleRemoveTargetById=2;ARGS,ctl:ruleRemoveTargetById=2;REQUEST_URI",
        "ruleRemoveTargetByTag=a;ARGS:p,ctl:ruleRemoveTargetByTag=a;REQUEST_URI",
    ] {
        check(&text(ctl), "GET /?p=x&off=1", &[3]);
        check(&text(ctl), "GET /?p=x&off=0", &[2, 3]);
    }
    check(&text("ruleEngine=Off"), "GET /?p=x&off=1", &[]);
}

#[test]
fn later_directives_remove_and_change_rules() {
    let text = |directive: &str| {
        format!(
            r#"SecRule ARGS "@rx x" "id:1,pass,tag:a,msg:'found it',chain"
                 SecRule MATCHED_VARS|ARGS "@rx x"
               SecAction "id:2,pass"
               {directive}"#
        )
    };
    for directive in [
        "SecRuleRemoveById 1 5-9",
        "SecRuleRemoveByTag ^a$",
        "SecRuleRemoveByMsg found",
        r#"SecRuleUpdateTargetById 1 "!ARGS:p""#,
        r#"SecRuleUpdateTargetById 1 "REQUEST_METHOD" "ARGS""#,
        r#"SecRuleUpdateTargetByTag a "!ARGS:/^p/""#,
        r#"SecRuleUpdateTargetByMsg found "!ARGS""#,
    ] {
        check(&text(directive), "GET /?p=x", &[2]);
    }
    check(&text(""), "GET /?p=x", &[1, 2]);
    check(&text(r#"SecRuleUpdateTargetById 1 "REQUEST_URI""#), "GET /x?p=y", &[1, 2]);
}

#[test]
fn actions_are_changed_afterwards() {
    let text = r#"
        SecRuleEngine On
        SecRule ARGS x "id:1,phase:1,pass,msg:'before'"
        SecRuleUpdateActionById 1 "deny,status:404,msg:'after'""#;
    let (transaction, decision) = send(&rules(text), "GET /?a=x", "");
    assert!(matches!(decision, Decision::Refuse(refusal) if refusal.status == 404));
    assert_eq!(transaction.matches()[0].message, b"after");
}

#[test]
fn bodies_are_arguments_too() {
    let text = r#"
        SecRequestBodyAccess On
        SecRule ARGS_POST:a "@streq x y" "id:1,pass"
        SecRule REQUEST_BODY "@streq a=x+y" "id:2,pass"
        SecRule ARGS_COMBINED_SIZE "@eq 4" "id:3,pass""#;
    let (transaction, _) = send(&rules(text), "POST /", "a=x+y");
    assert_eq!(ids(&transaction), [1, 2, 3]);
    let (transaction, _) = send(&rules(&text.replace("Access On", "Access Off")), "POST /", "a=x+y");
    assert_eq!(ids(&transaction), [] as [u64; 0]);
}

#[test]
fn a_body_over_the_limit_is_refused_or_looked_at_in_part() {
    let text = |action: &str| {
        format!(
            r#"SecRuleEngine On
               SecRequestBodyAccess On
               SecRequestBodyLimit 5
               SecRequestBodyLimitAction {action}
               SecRule INBOUND_DATA_ERROR "@eq 1" "id:1,phase:2,pass"
               SecRule ARGS:a "@streq 123" "id:2,phase:2,pass""#
        )
    };
    let (transaction, decision) = send(&rules(&text("ProcessPartial")), "POST /", "a=12345");
    assert_eq!((ids(&transaction), decision), (vec![1, 2], Decision::Pass));
    let (_, decision) = send(&rules(&text("Reject")), "POST /", "a=12345");
    assert!(matches!(decision, Decision::Refuse(refusal) if refusal.status == 413 && refusal.rule == 0));
    let (transaction, _) = send(&rules(&text("Reject")), "POST /", "a=123");
    assert_eq!(ids(&transaction), [2]);
}

#[test]
fn responses_are_looked_at_by_their_type() {
    let text = r#"
        SecResponseBodyAccess On
        SecResponseBodyMimeType text/html
        SecRule RESPONSE_BODY "@contains Hello" "id:1,phase:4,pass"
        SecRule RESPONSE_STATUS "@streq 200" "id:2,phase:3,pass"
        SecRule RESPONSE_HEADERS:Content-Type "@rx html" "id:3,phase:3,pass""#;
    check(text, "GET /", &[2, 3, 1]);
    check(&text.replace("Type text/html", "Type text/plain"), "GET /", &[2, 3]);
}

#[test]
fn what_matched_is_told_so_that_a_person_understands_it() {
    let text = r#"SecRule ARGS "@rx (?i)union\s+select" \
        "id:942100,phase:2,pass,capture,t:none,t:urlDecodeUni,t:lowercase,severity:CRITICAL,ver:'MY/1.0',tag:'sqli',\
        msg:'SQL found',logdata:'Matched Data: %{TX.0} found within %{MATCHED_VAR_NAME}: %{MATCHED_VAR}'""#;
    let (transaction, _) = send(&rules(text), "GET /p?q=%2531+UNION++SELECT+%22", "");
    let [one] = transaction.matches() else { panic!("{:?}", transaction.matches()) };
    let [part] = one.parts.as_slice() else { panic!("{one:?}") };
    assert_eq!((&part.variable[..], &part.operator[..]), (&b"ARGS:q"[..], "@rx"));
    assert_eq!(
        (&part.value[..], part.found.as_deref()),
        (&b"1 union  select \""[..], Some(&b"union  select"[..]))
    );
    assert_eq!(part.transformations, ["urlDecodeUni", "lowercase"]);
    let line = transaction.log_lines().next().unwrap();
    assert_eq!(
        line,
        "[client 192.0.2.1] ModSecurity: Warning. Matched \"Operator `rx' with parameter `(?i)union\\s+select' against \
         variable `ARGS:q' (Value: `1 union  select \\\"' ) [file \"a.conf\"] [line \"1\"] [id \"942100\"] [rev \"\"] \
         [msg \"SQL found\"] [data \"Matched Data: union  select found within ARGS:q: 1 union  select \\\"\"] \
         [severity \"2\"] [ver \"MY/1.0\"] [maturity \"0\"] [accuracy \"0\"] [tag \"sqli\"] [hostname \"example.com\"] \
         [uri \"/p\"] [unique_id \"abc\"]"
    );
}

#[test]
fn mistakes_are_told_with_file_line_and_rule() {
    let refused = |text: &str| load(text).err().unwrap_or_default();
    assert_eq!(refused("\nSecRule ARGS \\\n \"@rx (\" \"id:5\""), ["a.conf:2: rule 5: `(`: unclosed group"]);
    assert_eq!(
        refused(
            "SecNothing On\nSecRule NOTHING x id:1\nSecRule ARGS \"@nothing x\" id:2\nSecAction \"id:3,t:nothing\""
        ),
        [
            "a.conf:1: unknown directive `SecNothing`",
            "a.conf:2: rule 1: unknown variable `NOTHING`",
            "a.conf:3: rule 2: unknown operator `nothing`",
            "a.conf:4: rule 3: unknown transformation `nothing`",
        ]
    );
    assert_eq!(
        refused("SecAction \"id:1,chain\"\nSecAction \"phase:1\""),
        ["a.conf:2: rule 1: `phase`: it belongs to the first rule of a chain"]
    );
    assert_eq!(
        refused("SecAction id:1,chain\nSecMarker X"),
        ["a.conf:2: `chain`: the rule before is to be continued; a SecRule must follow"]
    );
    assert_eq!(
        refused("SecAction id:1\nSecAction id:1\nSecAction pass"),
        [
            "a.conf:2: rule 1: `id`: another rule has this id at a.conf:1; every rule needs its own",
            "a.conf:3: `id`: the rule has none; every rule needs its own",
        ]
    );
    assert_eq!(
        refused("SecMarker X\nSecAction id:1,skipAfter:X"),
        ["a.conf:2: rule 1: `skipAfter`: no `SecMarker X` follows this rule"]
    );
    assert_eq!(refused("Include b.conf"), ["a.conf:1: `b.conf`: there is no such file"]);
    assert_eq!(refused("Include a.conf"), ["a.conf:1: `Include`: files include each other without end"]);
    assert_eq!(
        refused("SecRule ARGS \"@pmFromFile missing\" id:7"),
        ["a.conf:1: rule 7: `missing`: there is no such file"]
    );
}

#[test]
fn what_has_no_effect_is_told() {
    let rules = rules(
        "SecAuditLog /var/log/audit.log\nSecAction id:1,initcol:ip=x\nSecRuleRemoveById 99\nSecRule GEO:COUNTRY_CODE x id:2",
    );
    let notes: Vec<String> = rules.notes().iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "a.conf:1: `SecAuditLog` has no effect: there is no audit log here; matches are in the events of the program that asks",
            "a.conf:3: no rule before this line is meant, so nothing changes",
            "a.conf:2: rule 1: `initcol` keeps nothing beyond one transaction here",
            "a.conf:4: rule 2: GEO never has a value here",
        ]
    );
}

#[test]
fn what_a_client_sends_cannot_forge_a_line_of_the_log() {
    let text = r#"SecRule ARGS "@rx x" "id:1,pass,msg:'%{MATCHED_VAR}'""#;
    let (transaction, _) = send(&rules(text), "GET /?a=x%0a%22]%20[id%20%229%22]", "");
    let line = transaction.log_lines().next().unwrap();
    assert!(!line.contains('\n') && !line.contains(r#"[id "9"]"#), "{line}");
}
