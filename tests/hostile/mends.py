"""Each attack, the lines that hold it, and the test that fails without them. `make mends` shows it (undo.py)."""

from __future__ import annotations

from dataclasses import dataclass

LIBRARY = "layers/geosync/geosync"
HOSTILE = "tests/hostile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """A defence: the text `is_now` in `file`, its replacement `without`, and the `test` that then fails.

    `item` is the issue's. `file` is within the project, `test` is pytest's id of a test or of all cases of one.
    """

    item: int
    attack: str
    file: str
    is_now: str
    without: str
    test: str


def _of_the_library(item: int, attack: str, file: str, is_now: str, without: str, test: str) -> Mend:
    return Mend(item=item, attack=attack, file=f"{LIBRARY}/{file}", is_now=is_now, without=without, test=test)


def _of_the_template(item: int, attack: str, is_now: str, without: str, test: str) -> Mend:
    return Mend(item=item, attack=attack, file="template.yaml", is_now=is_now, without=without, test=test)


_NOTIFIED = f"{HOSTILE}/test_fuzz_notifications.py::test_any_body_of_any_format_becomes_sound_events_or_a_refusal"
_ANSWERED = f"{HOSTILE}/test_fuzz_client.py::test_any_answer_to_any_verb_ends_in_a_result_or_an_error_of_ours"
_ADDRESSES = f"{HOSTILE}/test_addresses.py::"
_MEMORY = f"{HOSTILE}/test_memory.py::"
_PATTERNS = f"{HOSTILE}/test_patterns.py::"
_WAYS = f"{HOSTILE}/test_ways.py::"
_ROLES = "tests/unit/template/test_roles.py::"
_TOKENS = "tests/functional/admin/test_named_tokens.py::"
_OUTPUT = "tests/unit/cli/test_output.py::"
_ARN = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:geosync-${SiteName}"

MENDS = (
    _of_the_library(
        1,
        "post an event with the id of an audit record",
        "notifications/judge.py",
        'r"(?!audit-)[A-Za-z0-9._:/+=-]{1,128}"',
        'r"[A-Za-z0-9._:/+=#-]{1,128}"',
        _NOTIFIED,
    ),
    _of_the_template(
        1,
        "write such a record with the function's role",
        '{"ForAllValues:StringNotLike": {dynamodb:LeadingKeys: ["audit#*", "audit-*"]}}',
        '{"ForAllValues:StringNotLike": {dynamodb:LeadingKeys: ["none"]}}',
        f"{_ROLES}test_the_function_that_writes_events_cannot_overwrite_the_audit_log",
    ),
    _of_the_library(
        2,
        "push manifests that take many times their bytes",
        "oci/documents.py",
        "SMALL_BYTES = 64 * 1024\n",
        "SMALL_BYTES = 64 * 1024 * 1024\n",
        f"{_MEMORY}test_to_read_a_manifest_takes_no_more_than_its_descriptors",
    ),
    _of_the_library(
        2,
        "answer many large pages at one time",
        "oci/memory.py",
        "if share is None or size <= SMALL_BYTES:",
        "if True:",
        f"{_MEMORY}test_a_page_waits_for_its_memory_and_gives_it_back_with_the_reading",
    ),
    _of_the_library(
        2,
        "list what takes many times its bytes",
        "oci/large_pages.py",
        "if self._left < 0:",
        "if False:",
        f"{_MEMORY}test_a_page_of_a_listing_takes_no_more_than_is_reckoned",
    ),
    _of_the_library(
        3,
        "send a byte at a time",
        "oci/wire.py",
        "left = min(self._end_s - self._clock.monotonic_s(), self._left(), LONGEST_S)",
        "left = 5.0",
        f"{HOSTILE}/test_dribbled.py::test_a_dribbled_answer_ends_by_the_deadline",
    ),
    _of_the_library(
        4,
        "send a challenge that is matched in quadratic time",
        "oci/challenges.py",
        r"""r'\s*+(?:,\s*+)?([A-Za-z0-9_-]++)\s*+=""",
        r"""r'\s*,?\s*([A-Za-z0-9_-]+)\s*=""",
        f"{_PATTERNS}test_a_challenge_costs_its_length",
    ),
    _of_the_library(
        4,
        "name a tag that a selection goes over again for each of its wildcards",
        "pair/selection.py",
        'f"(?>[^/]*?{part})"',
        'f"[^/]*{part}"',
        f"{_PATTERNS}test_a_pattern_takes_steps_in_proportion_to_any_text",
    ),
    _of_the_library(
        4,
        "send an error with 10,000 long codes",
        "oci/answers.py",
        "if isinstance(code, str) and len(self.codes) < MAX_CODES:",
        "if isinstance(code, str):",
        f"{_PATTERNS}test_an_error_has_a_few_short_codes_whatever_a_registry_sends",
    ),
    _of_the_library(
        4,
        "ask for a long path without a token",
        "admin/http.py",
        "MOST_PATH = 512",
        "MOST_PATH = 10**6",
        "tests/functional/admin/test_pages.py::test_the_path_of_somebody_unknown_is_matched_with_no_route",
    ),
    _of_the_library(
        5,
        "push what kills its holder",
        "sync_registry/transitions/attempts.py",
        "return owed.deaths + 1 >= timing.max_deaths",
        "return False",
        "tests/unit/syncing/test_deaths.py"
        "::test_a_reference_over_which_holders_vanish_again_and_again_is_parked_and_the_others_go_on",
    ),
    _of_the_library(
        6,
        "push many slow images into one namespace",
        "sync_registry/site/slots.py",
        "if (number := (first + one) % most) not in taken), None)",
        "if (number := (first + one) % most) >= 0), None)",
        "tests/functional/sync_registry/test_slots.py"
        "::test_a_namespace_has_so_many_slots_of_each_queue_and_the_others_have_theirs",
    ),
    _of_the_library(
        7,
        "lead to a loopback or metadata address",
        "oci/addresses.py",
        "return ip.is_loopback or ip.is_link_local or ip.is_unspecified or ip.is_multicast or ip in _METADATA",
        "return False",
        f"{_ADDRESSES}test_a_name_that_stands_for_a_forbidden_address_is_not_connected_to",
    ),
    _of_the_library(
        7,
        "have a name stand for something else when it is asked again",
        "oci/addresses.py",
        "wire.connect(address)",
        "wire.connect((host, port))",
        f"{_ADDRESSES}test_the_judged_address_is_the_one_connected_to",
    ),
    _of_the_library(
        7,
        "name a token service elsewhere",
        "oci/realms.py",
        'return f"its token service is at {host}: add it to realm_hosts in the secret if that is right"',
        "return None",
        f"{_ADDRESSES}test_an_anonymous_client_asks_no_token_service_that_nobody_named",
    ),
    _of_the_library(
        7,
        "answer 307 to a body",
        "oci/requests.py",
        "if call.body is not None:",
        "if False:",
        f"{_ADDRESSES}test_a_body_is_not_sent_on_to_another_host",
    ),
    _of_the_library(
        7,
        "lead past AllowedHosts",
        "oci/addresses.py",
        "return self.names(host) or not self.hosts or any(_matches(pattern, host, port) for pattern in self.hosts)",
        "return True",
        f"{_ADDRESSES}test_a_registry_leads_nowhere_but_to_the_allowed_hosts",
    ),
    _of_the_library(
        8,
        "send the Location http://[::1",
        "oci/requests.py",
        '        except ValueError:\n            scheme, host = "", ""',
        '        except KeyError:\n            scheme, host = "", ""',
        f"{_ADDRESSES}test_a_location_that_is_no_address_is_an_error_of_ours",
    ),
    _of_the_library(
        8,
        "send a Content-Length of 5,000 digits",
        "oci/transport.py",
        "if text.isascii() and text.isdigit() and len(text) <= _LENGTH_DIGITS else None",
        "if text.isdigit() else None",
        f"{_ADDRESSES}test_a_length_that_is_no_length_is_an_error_of_ours",
    ),
    _of_the_library(
        8,
        "say a size of 2^63",
        "oci/manifests.py",
        "0 < value <= _MAX_SIZE",
        "0 < value",
        "tests/unit/oci/test_manifests.py::test_an_impossible_size_counts_as_0_as_the_digest_decides",
    ),
    _of_the_library(
        8,
        "name two resources of Harbor's by one digest",
        "notifications/judge.py",
        "if event_id is None or event_id in taken:",
        "if event_id is None:",
        _NOTIFIED,
    ),
    _of_the_library(
        8,
        "send a chunk of the size -1",
        "oci/responses.py",
        "        if not 0 <= size <= LONGEST:\n",
        "        if False:\n",
        f"{HOSTILE}/test_fuzz_client.py::test_a_chunk_of_a_negative_size_is_not_read_to_the_end",
    ),
    _of_the_library(
        8,
        "close the connection in the middle of the headers",
        "oci/responses.py",
        "        if not lines.ended:\n",
        "        if False:\n",
        f"{HOSTILE}/test_fuzz_client.py::test_an_answer_that_breaks_off_anywhere_is_no_answer",
    ),
    _of_the_library(
        2,
        "send chunks without an end after a 204",
        "oci/transport.py",
        " and not self._response.chunked:",
        ":",
        f"{HOSTILE}/test_fuzz_client.py::test_chunks_after_an_answer_that_has_no_body_are_not_drained",
    ),
    _of_the_library(
        8,
        "send an expires_in of 400 digits",
        "oci/token_service.py",
        "return float(min(stated, most_s))",
        "return min(float(stated), most_s)",
        _ANSWERED,
    ),
    _of_the_library(
        8,
        "send an exp of 400 digits",
        "oci/signing.py",
        "and 0 < at < _LATEST_S else None",
        "and 0 < at else None",
        _ANSWERED,
    ),
    _of_the_library(
        8,
        "send an OCI-Chunk-Min-Length of 5,000 digits",
        "oci/upload_verbs.py",
        'size_of(answer.header("OCI-Chunk-Min-Length")) or 0',
        'int(answer.header("OCI-Chunk-Min-Length") or 0)',
        _ANSWERED,
    ),
    _of_the_library(
        8,
        "put a message with a time of 400 digits into a queue",
        "messages/geo_event.py",
        "0 <= value <= LATEST_MS",
        "0 <= value",
        f"{HOSTILE}/test_fuzz_messages.py::test_any_message_is_read_or_refused_with_a_reason",
    ),
    _of_the_library(
        8,
        "post a body that is said to be base64 and is not even ASCII",
        "notifications/request.py",
        '    except ValueError:\n        raise Refusal(400, "the body is not the base64',
        '    except KeyError:\n        raise Refusal(400, "the body is not the base64',
        _NOTIFIED,
    ),
    _of_the_library(
        8,
        "serve a key set that is nested 9,000 deep",
        "notifications/proof/google_identity.py",
        "except (TypeError, AttributeError, RecursionError, jwt.PyJWTError) as error:",
        "except (TypeError, AttributeError, jwt.PyJWTError) as error:",
        f"{HOSTILE}/test_fuzz_notifications.py::test_any_token_and_any_key_set_are_judged",
    ),
    _of_the_library(
        8,
        "push a manifest whose digest is a number of 5,000 digits",
        "oci/words.py",
        '    if not isinstance(value, str):\n        return f"({type(value).__name__})"\n',
        "    value = str(value)\n",
        "tests/unit/oci/test_words.py::test_text_is_shown_printable_and_cut_and_of_anything_else_its_kind",
    ),
    _of_the_library(
        8,
        "answer pages of referrers without an end",
        "oci/client.py",
        "if len(found) > MAX_REFERRED:",
        "if False:",
        f"{HOSTILE}/test_fuzz_client.py::test_referrers_on_pages_without_an_end_are_too_many",
    ),
    _of_the_template(
        9,
        "notify from elsewhere",
        "{IpAddress: {aws:SourceIp: !Ref NotificationSourceRanges}}",
        "{IpAddress: {aws:SourceIp: 0.0.0.0/0}}",
        f"{_WAYS}test_ranges_close_the_registry_s_way_and_no_other",
    ),
    _of_the_template(
        9,
        "pull from elsewhere, where the site's registry asks for no credentials",
        "              - Effect: Deny\n"
        '                Principal: "*"\n'
        "                Action: execute-api:Invoke\n"
        "                Resource: execute-api:/*\n"
        "                Condition: {NotIpAddress: {aws:SourceIp: !Ref ReadsSourceRanges}}\n",
        "              - Effect: Allow\n"
        '                Principal: "*"\n'
        "                Action: execute-api:Invoke\n"
        "                Resource: execute-api:/*\n"
        "                Condition: {IpAddress: {aws:SourceIp: !Ref ReadsSourceRanges}}\n",
        f"{_WAYS}test_an_api_with_an_authorizer_denies_whom_its_ranges_do_not_name",
    ),
    _of_the_template(
        9,
        "speak an old TLS to the custom domain",
        "CustomDomainCertificateArn\n      EndpointConfiguration: {Types: [REGIONAL]}\n      SecurityPolicy: TLS_1_2\n",
        "CustomDomainCertificateArn\n      EndpointConfiguration: {Types: [REGIONAL]}\n      SecurityPolicy: TLS_1_0\n",
        f"{_WAYS}test_every_api_takes_tls_1_2_or_newer",
    ),
    _of_the_template(
        9,
        "use up the registry's rate by the heartbeats' way",
        "        - ResourcePath: /~1v4~1container_registry_event~1heartbeat",
        "        - ResourcePath: /~1v4~1container_registry_event~1none",
        f"{_WAYS}test_strangers_have_a_rate_of_their_own_on_the_way_that_they_reach",
    ),
    _of_the_template(
        9,
        "notify by the API's own address beside a custom domain",
        "DisableExecuteApiEndpoint: !If [ClosesOwnAddress, true, false]",
        "DisableExecuteApiEndpoint: false",
        f"{_WAYS}test_the_api_s_own_address_can_be_closed_and_a_change_of_that_deploys_the_api_anew",
    ),
    _of_the_library(
        10,
        "use a cookie after its sign-out",
        "admin/rights.py",
        " or self._access.was_ended(identifier):",
        ":",
        f"{_TOKENS}test_signing_out_ends_the_session_at_the_server",
    ),
    _of_the_library(
        10,
        "act under nobody's name",
        "admin/rights.py",
        'own = f"token {self.token.name}"',
        'own = f"{self.right} token"',
        f"{_TOKENS}test_the_audit_log_says_whose_token_it_was",
    ),
    _of_the_library(
        10,
        "expect reports that cannot arrive, by the command",
        "cli/sites.py",
        "    if not site.takes_reports:\n",
        "    if False:\n",
        "tests/functional/cli/test_sites.py::test_a_private_admin_api_is_given_no_sites_to_expect",
    ),
    _of_the_library(
        10,
        "expect reports that cannot arrive, by the API",
        "admin/resources/site_routes.py",
        'if site.settings.admin_api == "private":',
        "if False:",
        "tests/functional/admin/test_sites.py::test_a_private_api_is_given_no_sites_to_expect",
    ),
    _of_the_template(
        10,
        "reach a private API from outside",
        "{StringNotEquals: {aws:SourceVpce: !Ref AdminVpcEndpointIds}}",
        "{StringEquals: {aws:SourceVpce: none}}",
        f"{_WAYS}test_a_private_admin_api_is_reached_through_the_named_endpoints_alone",
    ),
    _of_the_template(
        11,
        "subscribe something else than a queue",
        "{sns:Protocol: sqs}\n",
        "{sns:Protocol: https}\n",
        f"{_ROLES}test_only_queues_follow_the_topic",
    ),
    _of_the_template(
        11,
        "have events sent elsewhere in a site's name",
        "{sns:Protocol: sqs, sns:Endpoint: !GetAtt EventsQueue.Arn}",
        "{sns:Protocol: sqs}",
        f"{_ROLES}test_a_site_subscribes_its_own_queue_and_nothing_else",
    ),
    _of_the_template(
        11,
        "put network interfaces into the VPC",
        f"lambda:SourceFunctionArn: !Sub {_ARN}-sync",
        f"lambda:SourceFunctionArn: !Sub {_ARN}-none",
        f"{_ROLES}test_the_sync_function_in_the_vpc_may_not_use_lambdas_own_permissions",
    ),
    _of_the_template(
        11,
        "use the key for other data",
        '                  Condition: {StringEquals: {kms:ViaService: !Sub "sns.${AWS::Region}.${AWS::URLSuffix}"}}',
        '                  Condition: {StringLike: {kms:ViaService: !Sub "*.${AWS::URLSuffix}"}}',
        "tests/unit/template/test_keys.py::test_every_key_that_a_role_may_use_is_for_services_that_are_named",
    ),
    _of_the_library(
        12,
        "write commands to a terminal",
        "oci/words.py",
        "one if one.isprintable() else instead for one",
        "one for one",
        f"{_OUTPUT}test_text_from_outside_is_neither_markup_nor_a_command_to_the_terminal",
    ),
    _of_the_library(
        12,
        "write C1 into a document",
        "cli/output.py",
        "json.dumps(document, indent=2)",
        "json.dumps(document, indent=2, ensure_ascii=False)",
        f"{_OUTPUT}test_a_document_holds_no_command_to_the_terminal",
    ),
    _of_the_library(
        12,
        "send headers that API Gateway refuses",
        "reading/own_registry.py",
        "return len(text) <= MOST_HEADER and text.isascii() and text.isprintable()",
        "return True",
        f"{HOSTILE}/test_fuzz_pull.py::test_any_answer_of_the_registry_can_be_passed_on",
    ),
    Mend(
        item=13,
        attack="ship a package that no lock pins",
        file="release/sbom.py",
        is_now="if (one.name, one.version) not in pins)",
        without="if False)",
        test="tests/unit/release/test_sbom.py::test_layers_with_an_unpinned_package_or_without_packages_are_refused",
    ),
    Mend(
        item=14,
        attack="claim a bound that no test holds",
        file="SECURITY.md",
        is_now="`test_a_challenge_costs_its_length`",
        without="`test_a_challenge_costs_nothing`",
        test="tests/unit/test_security.py::test_each_test_that_the_threat_model_names_is_there",
    ),
)
