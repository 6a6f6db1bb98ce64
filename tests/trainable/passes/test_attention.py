"""Which tokens a token reads: each layout's attention against the same written out token by token."""

from __future__ import annotations

import pytest
import torch

from trainable.passes.attention import behind_prefix, causal, within_rows

HEADS, KV_HEADS, HEAD_DIM = 4, 2, 8
GROUP = HEADS // KV_HEADS


def drawn(*shape: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries, keys and values of tokens of this shape, (..., heads, head_dim)."""
    torch.manual_seed(0)
    return tuple(  # type: ignore[return-value]
        torch.randn(*shape, heads, HEAD_DIM, requires_grad=True) for heads in (HEADS, KV_HEADS, KV_HEADS)
    )


def token_by_token(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Causal attention of one text, (tokens, heads, head_dim), as its formula says."""
    read = torch.zeros_like(q)
    for token in range(len(q)):
        for head in range(HEADS):
            keys, values = (x[: token + 1, head // GROUP] for x in (k, v))
            share = torch.softmax(keys @ q[token, head] / HEAD_DIM**0.5, 0)
            read[token, head] = share @ values
    return read


def test_causal_attention_is_its_formula_with_heads_that_share_keys() -> None:
    q, k, v = drawn(5)
    rows = (x.transpose(0, 1)[None] for x in (q, k, v))
    torch.testing.assert_close(causal(*rows, GROUP)[0].transpose(0, 1), token_by_token(q, k, v))


def test_rows_read_themselves_alone() -> None:
    q, k, v = drawn(3, 4)
    read = within_rows(GROUP)(q, k, v)
    for row in range(3):
        torch.testing.assert_close(read[row], token_by_token(q[row], k[row], v[row]))


@pytest.mark.parametrize("n", [0, 1, 3])
def test_every_row_reads_the_prefix_and_itself_and_no_other_row(n: int) -> None:
    rows, width = 3, 4
    q, k, v = drawn(n + rows * width)
    read = behind_prefix(n, rows, width, GROUP, torch.float32)(q, k, v)
    for row in range(rows):
        own = slice(n + row * width, n + (row + 1) * width)
        text = (torch.cat([x[:n], x[own]]) for x in (q, k, v))
        expected = token_by_token(*text)
        torch.testing.assert_close(read[own], expected[n:])
        torch.testing.assert_close(read[:n], expected[:n])
