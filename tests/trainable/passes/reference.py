"""What the own passes are held to: the library's loss and gradients, and the flash kernel's work done with masks."""

from __future__ import annotations

from typing import Any

from trainable.config import TrialConfig

CONFIG = TrialConfig("small-2m", lora_rank=8, lora_dropout=0.0)


def random_samples(n: int, seed: int = 0) -> list[tuple[list[int], list[int]]]:
    import random

    rng = random.Random(seed)
    return [
        ([rng.randrange(3, 4000) for _ in range(rng.randrange(20, 90))],
         [rng.randrange(3, 4000) for _ in range(rng.randrange(1, 30))])
        for _ in range(n)
    ]  # fmt: skip


def library_pass(backend: Any, samples: Any, n_labels: int) -> tuple[float, dict[str, Any]]:
    import torch

    from trainable.model.backend import Batch

    backend.model.zero_grad(set_to_none=True)
    width = max(len(p) + len(a) for p, a in samples)
    ids = torch.zeros(len(samples), width, dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for row, (prompt, answer) in enumerate(samples):
        ids[row, : len(prompt) + len(answer)] = torch.tensor([*prompt, *answer])
        labels[row, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer)
    loss = backend.loss(Batch(ids, labels), n_labels)
    loss.backward()
    return float(loss.detach()), gradients(backend)


def library_tagged_pass(backend: Any, samples: Any, n_labels: int) -> tuple[float, dict[str, Any]]:
    from trainable.model.batch import collate_tags

    backend.model.zero_grad(set_to_none=True)
    loss = backend.loss(collate_tags(samples, backend.device), n_labels)
    loss.backward()
    return float(loss.detach()), gradients(backend)


def worst_difference(found: dict[str, Any], expected: dict[str, Any]) -> float:
    """Largest norm of a difference over that of the expected gradient."""
    assert found.keys() == expected.keys()
    return max(float((found[name] - wanted).norm() / wanted.norm()) for name, wanted in expected.items())


def gradients(backend: Any) -> dict[str, Any]:
    return {n: p.grad.clone() for n, p in backend.model.named_parameters() if p.requires_grad}


def dense_segments(
    q_ends: Any, k_ends: Any, longest_q: int, longest_k: int, take: Any, both_ways: bool = False
) -> Any:
    """What the flash kernel does, segment by segment with a mask; checks what the kernel takes for granted."""
    import torch

    from trainable.passes.attention import both_sides, causal

    def attend(q: Any, k: Any, v: Any) -> Any:
        keys, values = take(k), take(v)
        assert int(q_ends[-1]) == len(q)
        assert int(k_ends[-1]) == len(keys)
        group, read = q.shape[1] // k.shape[1], []
        for i in range(len(q_ends) - 1):
            own, seen = slice(q_ends[i], q_ends[i + 1]), slice(k_ends[i], k_ends[i + 1])
            part, n_q, n_k = q[own], int(q_ends[i + 1] - q_ends[i]), int(k_ends[i + 1] - k_ends[i])
            assert n_q <= longest_q
            assert n_k <= longest_k
            if both_ways:
                seen_by_all = both_sides(torch.ones(1, n_k, dtype=torch.bool), group)
                read.append(seen_by_all(part[None], keys[seen][None], values[seen][None])[0])
            elif n_q:  # queries before the segment's own make the mask the usual triangle
                part = torch.cat([torch.zeros(n_k - n_q, *q.shape[1:]), part])
                rows = (x.transpose(0, 1)[None] for x in (part, keys[seen], values[seen]))
                read.append(causal(*rows, group)[0].transpose(0, 1)[n_k - n_q :])
        return torch.cat(read)

    return attend
