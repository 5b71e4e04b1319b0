"""Message selectors: the subset of SQL-92 that JMS defines (JMS 2.0 §3.8.1), compiled to closures.

    selector   = or
    or         = and { OR and }            and = not { AND not }            not = { NOT } predicate
    predicate  = sum [ (= | <> | < | <= | > | >=) sum
                     | [NOT] BETWEEN sum AND sum
                     | [NOT] LIKE 'pattern' [ESCAPE 'c']
                     | [NOT] IN ('a', 'b' ...)
                     | IS [NOT] NULL ]
    sum        = term { (+ | -) term }     term = unary { (* | / | %) unary }
    unary      = { + | - } primary         primary = literal | identifier | ( or )

Logic is three-valued: a comparison with an absent header is unknown, and only true selects a message. Identifiers name
headers of the message, or one of the JMS headers below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.selectors.lexer import NAME, NUMBER, SYMBOL, TEXT, SelectorError, Token, tokens
from batonmq.broker.selectors.terms import (
    ANY,
    BOOLEAN,
    COMPARISONS,
    NUMERIC,
    STRING,
    Node,
    View,
    arithmetic,
    between,
    both,
    comparison,
    either,
    identifier,
    is_null,
    like,
    literal,
    negated,
    negative,
    one_of,
    truth,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.message import Message

__all__ = ["MessageSelector", "SelectorError", "parse_selector"]

# Octets of a selector, and how deep it may be nested: enough for what people write, too little to exhaust a stack.
LENGTH_MAX = 16_384
DEPTH_MAX = 64
# Each of these may go through the whole of a long header.
LIKES_MAX = 100

# ActiveMQ's and Artemis' way to ask for the two options in the selector itself.
CONVERTING = "convert_string_expressions:"
HYPHENATED = "hyphenated_props:"


class MessageSelector:
    """A parsed selector, for a consumer's ``selector``. Immutable."""

    __slots__ = ("_node", "text")

    def __init__(self, text: str, node: Node) -> None:
        self.text = text
        self._node = node

    def matches(self, message: Message) -> bool:
        """Is the selector true for the message? Takes some 2 us, and as much again if headers have to be decoded."""
        return self._node.value(View(message)) is True

    def __repr__(self) -> str:
        return f"<MessageSelector {self.text!r}>"


def parse_selector(text: str, *, converts_strings: bool = False, hyphenated: bool = False) -> MessageSelector:
    """Parse a selector. Raises SelectorError, which says what is wrong, and where.

    ``converts_strings``: a header of text that is compared with a number or with TRUE or FALSE counts as what it
    spells, and the other way round; for protocols whose headers are all text. ``hyphenated``: ``a-b`` is one name and
    not a difference. The prefixes ``convert_string_expressions:`` and ``hyphenated_props:`` do the same.
    """
    source = text.strip()
    while True:
        if source.startswith(CONVERTING):
            source, converts_strings = source[len(CONVERTING) :].lstrip(), True
        elif source.startswith(HYPHENATED):
            source, hyphenated = source[len(HYPHENATED) :].lstrip(), True
        else:
            break
    if len(source) > LENGTH_MAX:
        raise SelectorError(f"the selector has {len(source)} characters, more than {LENGTH_MAX}")
    if not source:
        raise SelectorError("the selector is empty")
    return MessageSelector(text, _Parser(tokens(source, hyphenated=hyphenated), converts=converts_strings).parse())


class _Parser:
    """Recursive descent over the grammar above; one method a rule."""

    def __init__(self, found: list[Token], *, converts: bool) -> None:
        self._tokens = found
        self._at = 0
        self._depth = 0
        self._likes = 0
        self._converts = converts

    def parse(self) -> Node:
        node = self._or()
        if self._at < len(self._tokens) - 1:
            raise self._wrong("the end")
        return self._condition(node)

    # ------------------------------------------------------------------ tokens

    def _wrong(self, expected: str) -> SelectorError:
        token = self._tokens[self._at]
        found = repr(token.text) if token.text else "the end"
        return SelectorError(f"bad selector at character {token.at + 1}: expected {expected}, found {found}")

    def _takes(self, *words: str) -> str:
        """Take the next token if it is one of these symbols or keywords; returns "" otherwise."""
        token = self._tokens[self._at]
        if token.kind == SYMBOL and token.text in words:
            self._at += 1
            return token.text
        return ""

    def _must(self, word: str) -> None:
        if not self._takes(word):
            raise self._wrong(repr(word))

    def _text(self) -> str:
        token = self._tokens[self._at]
        if token.kind != TEXT:
            raise self._wrong("a string")
        self._at += 1
        return str(token.value)

    # ------------------------------------------------------------------ conditions

    def _condition(self, node: Node) -> Node:
        if node.kind not in (BOOLEAN, ANY):
            raise SelectorError(f"bad selector: {node.kind} stands where a condition is expected")
        return truth(node, converts=self._converts) if node.kind == ANY else node

    def _or(self) -> Node:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise SelectorError(f"bad selector: nested deeper than {DEPTH_MAX}")
        nodes = [self._and()]
        while self._takes("OR"):
            nodes.append(self._and())
        self._depth -= 1
        return nodes[0] if len(nodes) == 1 else either([self._condition(node) for node in nodes])

    def _and(self) -> Node:
        nodes = [self._not()]
        while self._takes("AND"):
            nodes.append(self._not())
        return nodes[0] if len(nodes) == 1 else both([self._condition(node) for node in nodes])

    def _not(self) -> Node:
        count = 0
        while self._takes("NOT"):
            count += 1
        node = self._predicate()
        if not count:
            return node
        node = self._condition(node)
        return negated(node) if count % 2 else node

    def _predicate(self) -> Node:
        left = self._sum()
        operator = self._takes(*COMPARISONS)
        if operator:
            return self._comparison(operator, left, self._sum())
        if self._takes("IS"):
            is_negated = bool(self._takes("NOT"))
            self._must("NULL")
            return negated(is_null(left)) if is_negated else is_null(left)
        is_negated = bool(self._takes("NOT"))
        if self._takes("BETWEEN"):
            low = self._numeric(self._sum())
            self._must("AND")
            node = between(self._numeric(left), low, self._numeric(self._sum()), converts=self._converts)
        elif self._takes("LIKE"):
            self._likes += 1
            if self._likes > LIKES_MAX:
                raise SelectorError(f"bad selector: more than {LIKES_MAX} times LIKE")
            pattern = self._text()
            node = like(self._textual(left), pattern, self._text() if self._takes("ESCAPE") else "")
        elif self._takes("IN"):
            node = one_of(self._textual(left), self._texts())
        elif is_negated:
            raise self._wrong("BETWEEN, LIKE or IN")
        else:
            return left
        return negated(node) if is_negated else node

    def _comparison(self, operator: str, left: Node, right: Node) -> Node:
        if operator not in ("=", "<>"):
            # Order is for numbers alone (JMS 2.0 §3.8.1.2).
            left, right = self._numeric(left), self._numeric(right)
        elif ANY not in (left.kind, right.kind) and left.kind != right.kind:
            raise SelectorError(f"bad selector: {left.kind} is compared with {right.kind}")
        return comparison(operator, left, right, converts=self._converts)

    def _texts(self) -> list[str]:
        self._must("(")
        found = [self._text()]
        while self._takes(","):
            found.append(self._text())
        self._must(")")
        return found

    @staticmethod
    def _textual(node: Node) -> Node:
        if node.kind not in (STRING, ANY):
            raise SelectorError(f"bad selector: {node.kind} stands where text is expected")
        return node

    @staticmethod
    def _numeric(node: Node) -> Node:
        if node.kind not in (NUMERIC, ANY):
            raise SelectorError(f"bad selector: {node.kind} stands where a number is expected")
        return node

    # ------------------------------------------------------------------ values

    def _sum(self) -> Node:
        return self._chain(self._term, "+", "-")

    def _term(self) -> Node:
        return self._chain(self._unary, "*", "/", "%")

    def _chain(self, operand: Callable[[], Node], *operators: str) -> Node:
        first = operand()
        others: list[tuple[str, Node]] = []
        while operator := self._takes(*operators):
            others.append((operator, self._numeric(operand())))
        return arithmetic(self._numeric(first), others, converts=self._converts) if others else first

    def _unary(self) -> Node:
        is_negative = False
        is_signed = False
        while operator := self._takes("+", "-"):
            is_signed = True
            is_negative ^= operator == "-"
        node = self._primary()
        if is_signed:
            self._numeric(node)
        return negative(node, converts=self._converts) if is_negative else node

    def _primary(self) -> Node:
        if self._takes("("):
            node = self._or()
            self._must(")")
            return node
        if word := self._takes("TRUE", "FALSE"):
            return literal(word == "TRUE")
        token = self._tokens[self._at]
        if token.kind in (NUMBER, TEXT):
            self._at += 1
            return literal(token.value)
        if token.kind == NAME:
            self._at += 1
            return identifier(token.text)
        raise self._wrong("a name, a value or '('")
