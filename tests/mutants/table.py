"""The faults that must be caught: one for every promise of the kind "never".

To add one: the shortest text that occurs once in its file, what takes its place, and the
fastest test that must fail.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MUTANTS", "Change", "Mutant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """``old``, which stands once in ``file``, becomes ``new``."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A fault and the test that fails because of it."""

    name: str
    changes: tuple[Change, ...]
    node: str


def mutant(name: str, file: str, old: str, new: str, node: str) -> Mutant:
    """Return a mutant with one change."""
    return Mutant(name=name, changes=(Change(file=file, old=old, new=new),), node=node)


ORDER = "tests/unit/pipeline/test_order.py"
BATCH = "tests/unit/audit/test_batch.py"
EXCHANGE = "guard/pipeline/exchange.py"

MUTANTS = (
    mutant(
        "the body is logged",
        EXCHANGE,
        "        trail = Trail(exchange=incoming.exchange",
        "        print(incoming.body)\n        trail = Trail(exchange=incoming.exchange",
        "tests/mutants/nodes/test_silence.py",
    ),
    mutant(
        "any field is logged",
        "guard/telemetry.py",
        "[name for name in event if name not in ALLOWED]",
        "[]",
        "tests/unit/test_telemetry.py::test_only_fields_of_the_list_are_logged_and_the_others_counted",
    ),
    mutant(
        "a library's message is logged",
        "guard/telemetry.py",
        'problem = error.message if isinstance(error, GuardError) else ""',
        "problem = str(error)",
        "tests/unit/test_telemetry.py::test_a_foreign_error_is_a_type_and_a_place_and_never_its_message",
    ),
    mutant(
        "what is sent is not what was screened",
        EXCHANGE,
        "            body=protected.body,\n            caller_authorization",
        "            body=incoming.body,\n            caller_authorization",
        f"{ORDER}::test_the_intent_commits_to_the_bytes_that_left",
    ),
    Mutant(
        name="the intent is recorded after the body left",
        changes=(
            Change(
                file=EXCHANGE,
                old="receipt = await self._intend(who, trail, protected, target)  # 7",
                new="receipt = None",
            ),
            Change(
                file=EXCHANGE,
                old="stamp = replace(stamp,",
                new="await self._intend(who, trail, protected, target)\n            stamp = replace(stamp,",
            ),
        ),
        node=f"{ORDER}::test_nothing_leaves_while_the_intent_is_not_durable",
    ),
    mutant(
        "an answer is given before its outcome is durable",
        "guard/pipeline/answer.py",
        "    await record(context.trail.outcome(note))\n    ended(note)\n    return",
        "    import asyncio\n\n    asyncio.ensure_future(record(context.trail.outcome(note)))\n    return",
        f"{ORDER}::test_nothing_is_answered_while_the_outcome_is_not_durable",
    ),
    mutant(
        "a stream ends before its outcome is durable",
        "guard/pipeline/stream.py",
        "            await self._record(end)\n            yield last\n",
        "            yield last\n            await self._record(end)\n",
        f"{ORDER}::test_the_end_of_a_stream_waits_for_its_outcome",
    ),
    mutant(
        "a caller that leaves takes the record along",
        EXCHANGE,
        "            await self._end_left(trail, started)\n            raise",
        "            raise",
        "tests/unit/pipeline/test_leaving.py::test_a_plain_exchange_may_be_left_at_every_turn",
    ),
    mutant(
        "reasoning is restored",
        "guard/pipeline/choices.py",
        "restores=event.restores",
        "restores=True",
        "tests/unit/pipeline/test_stream.py::test_reasoning_keeps_its_surrogates_and_content_gets_originals",
    ),
    mutant(
        "a position is skipped",
        "guard/upstream/positions.py",
        "encoding=Encoding.KEY)\n    FREE.walk(value, position, path, places, by_caller=by_caller)",
        "encoding=Encoding.KEY)",
        "tests/unit/upstream/test_positions.py::test_free_json_notes_every_string_key_and_long_number",
    ),
    mutant(
        "an object key is not screened",
        "guard/upstream/positions.py",
        "    if key:\n        places.add(key",
        "    if not key:\n        places.add(key",
        "tests/unit/upstream/test_positions.py::test_free_json_notes_every_string_key_and_long_number",
    ),
    mutant(
        "of two equal keys the first counts",
        "guard/upstream/json_text.py",
        "value = _decoder.decode(body)",
        'value = __import__("json").loads(body, object_pairs_hook=lambda pairs: dict(reversed(pairs)))',
        "tests/unit/upstream/test_json_text.py::test_duplicate_keys_the_last_counts_in_the_place_of_the_first",
    ),
    mutant(
        "a value is restored inside an address",
        "guard/protection/sinks.py",
        "        if CONTINUES.match(right) or self._regions or self._foreign:\n            return False\n",
        "        return True\n",
        "tests/benchmarks/test_exfiltration.py::test_no_original_reaches_a_sink_that_is_not_allowed",
    ),
    mutant(
        "an open value is sent",
        "guard/screening/recognizers/email.py",
        "        return tail.run\n",
        "        return len(tail.text)\n",
        "tests/properties/screening/test_cuts.py::test_so_it_is_for_each_recognizer_alone",
    ),
    mutant(
        "a header of ours that nobody knows is let through",
        "guard/pipeline/declared.py",
        "        if name not in HEADERS:",
        "        if name not in headers:",
        "tests/unit/pipeline/test_declared.py",
    ),
    mutant(
        "a redirect is followed",
        "guard/upstream/http.py",
        "allow_redirects=False",
        "allow_redirects=True",
        "tests/unit/upstream/test_http.py::test_no_redirect_is_followed",
    ),
    mutant(
        "a link-local address is called",
        "guard/upstream/http.py",
        "    return known.is_link_local\n",
        "    return False\n",
        "tests/unit/upstream/test_http.py::test_link_local_addresses_are_never_called_in_whatever_form",
    ),
    mutant(
        "a leaf is dropped",
        "guard/audit/batch.py",
        "    transaction.write(working.writes)\n",
        "    del working.writes.leaves[2:3]\n    transaction.write(working.writes)\n",
        f"{BATCH}::test_a_batch_gets_consecutive_indices_and_times_that_rise",
    ),
    mutant(
        "a limit is counted outside of the transaction",
        "guard/audit/batch.py",
        "        self._counters[counter] = self.writes.counters[counter] = value",
        "        self.writes.counters[counter] = value",
        f"{BATCH}::test_the_last_free_place_goes_to_one_of_a_batch",
    ),
    mutant(
        "a salt is used twice",
        "guard/audit/leaf.py",
        "salt = entropy[number * SALT : (number + 1) * SALT]",
        "salt = entropy[:SALT]",
        "tests/unit/audit/test_leaf.py::test_the_same_value_has_another_commitment_under_another_salt",
    ),
    mutant(
        "a nonce is used twice",
        "guard/keys/envelope.py",
        "nonce = half + random_bytes(NONCE // 2)",
        "nonce = half + bytes(NONCE // 2)",
        "tests/unit/keys/test_envelope.py::test_no_nonce_comes_twice_and_half_a_nonce_serves_few_messages",
    ),
    mutant(
        "tenants can come to share a key",
        "guard/keys/purposes.py",
        'b"".join(len(part).to_bytes(2, "big") + part for part in parts)',
        'b"".join(parts)',
        "tests/unit/keys/test_purposes.py::test_parts_cannot_flow_into_each_other",
    ),
    mutant(
        "a revoked key is taken",
        "guard/identity/api_keys.py",
        "for moment in (record.expires, record.revoked)",
        "for moment in (record.expires,)",
        "tests/unit/identity/test_api_keys.py::test_a_key_ends_when_its_record_says",
    ),
    mutant(
        "the weaker operator wins",
        "guard/policy/engine.py",
        "rule.operator > best.operator",
        "rule.operator < best.operator",
        "tests/unit/policy/test_engine.py::test_a_weaker_rule_later_relaxes_nothing",
    ),
    mutant(
        "an error of Cedar is ignored",
        "guard/policy/access.py",
        "== cedarpy.Decision.Allow and not errors",
        "== cedarpy.Decision.Allow",
        "tests/unit/policy/test_access.py::test_a_forbid_that_fails_denies_although_cedar_skips_it",
    ),
    mutant(
        "a gap is written for a living process",
        "guard/audit/lease.py",
        "    except BlockingIOError:\n        return True\n",
        "    except BlockingIOError:\n        return False\n",
        "tests/unit/audit/test_housekeeping.py::test_exchanges_of_living_processes_are_left_alone",
    ),
)
