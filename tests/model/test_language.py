"""Generation and scoring behind a prefix, against the plain forward pass of a tiny random Llama."""

import math
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from twnm.errors import InputError
from twnm.model.language import (
    Guide,
    LoraSettings,
    Prefix,
    Stop,
    add_lora,
    greedy_batch,
    load_language_model,
    load_lora_weights,
    lora_weights,
    merge_lora,
    read,
    read_batch,
    sample_batch,
    score_batch,
    score_continuations,
    stop_at,
)

VOCABULARY = 40


def never(generated: list[int]) -> bool:
    return False


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    return random_model()


def random_model() -> LlamaForCausalLM:
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.6,
        bos_token_id=None,
        eos_token_id=0,
    )
    return LlamaForCausalLM(config).double().requires_grad_(False).eval()


@pytest.fixture
def prompt() -> torch.Tensor:
    return torch.randn(7, 32, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.fixture
def prefix(model: LlamaForCausalLM, prompt: torch.Tensor) -> Prefix:
    return read(model, prompt)


def greedy(model: LlamaForCausalLM, prefix: Prefix, *, stop: Stop, max_new_tokens: int, guide: Guide | None = None) -> list[int]:
    return greedy_batch(model, [prefix], stop=stop, max_new_tokens=max_new_tokens, guides=[guide])[0]


def plain_greedy(model: LlamaForCausalLM, prompt: torch.Tensor, count: int) -> list[int]:
    """Without a cache: the whole sequence is read anew for each token."""
    ids: list[int] = []
    for _ in range(count):
        embeddings = torch.cat([prompt, model.get_input_embeddings()(torch.tensor(ids, dtype=torch.long))])
        ids.append(int(model(inputs_embeds=embeddings[None], use_cache=False).logits[0, -1].argmax()))
    return ids


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    words = {"<end>": 0, "the": 1, "dog": 2, "barks": 3, "</answer>": 4, "?": 5}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", unk_token="?")


def test_reading_in_two_parts_equals_reading_at_once(model: LlamaForCausalLM, prompt: torch.Tensor, prefix: Prefix) -> None:
    first = read(model, prompt[:4])
    parts = read(model, prompt[4:], first)
    torch.testing.assert_close(parts.logits, prefix.logits)
    assert (first.length, parts.length, first.cache.get_seq_length()) == (4, 7, 4)


def prefixes_of(model: LlamaForCausalLM, *lengths: int) -> list[Prefix]:
    return [read(model, torch.randn(length, 32, generator=torch.Generator().manual_seed(length), dtype=torch.float64)) for length in lengths]


def test_a_batch_that_is_read_equals_its_parts_alone_and_goes_on_alike(model: LlamaForCausalLM, prompt: torch.Tensor) -> None:
    prefixes, texts = prefixes_of(model, 3, 9, 5), [prompt[:4], prompt[:1], prompt]
    for together, text, prefix in zip(read_batch(model, texts, prefixes), texts, prefixes, strict=True):
        alone = read(model, text, prefix)
        torch.testing.assert_close(together.logits, alone.logits)
        assert together.length == alone.length == together.cache.get_seq_length()
        torch.testing.assert_close(read(model, prompt[:2], together).logits, read(model, prompt[:2], alone).logits)
    assert [prefix.cache.get_seq_length() for prefix in prefixes] == [3, 9, 5]
    assert read_batch(model, [], []) == []


def test_greedy_equals_decoding_without_a_cache_and_leaves_the_prefix(model: LlamaForCausalLM, prompt: torch.Tensor, prefix: Prefix) -> None:
    expected = plain_greedy(model, prompt, 12)
    assert len(set(expected)) > 3
    assert greedy(model, prefix, stop=never, max_new_tokens=12) == expected
    assert greedy(model, prefix, stop=never, max_new_tokens=12) == expected
    assert prefix.cache.get_seq_length() == 7


def test_a_stop_keeps_the_token_that_stopped(model: LlamaForCausalLM, prompt: torch.Tensor, prefix: Prefix) -> None:
    expected = plain_greedy(model, prompt, 12)
    last = expected[5]
    assert greedy(model, prefix, stop=lambda ids: ids[-1] == last, max_new_tokens=12) == expected[: expected.index(last) + 1]
    assert greedy(model, prefix, stop=never, max_new_tokens=0) == []


def test_a_batch_of_different_lengths_equals_its_streams_alone(model: LlamaForCausalLM, prompt: torch.Tensor) -> None:
    prompts = [prompt, prompt[2:5], prompt[:1]]
    last = plain_greedy(model, prompts[1], 3)[2]

    def stop(generated: list[int]) -> bool:
        return generated[-1] == last

    alone = [greedy(model, read(model, each), stop=stop, max_new_tokens=9) for each in prompts]
    assert len({len(ids) for ids in alone}) > 1
    assert greedy_batch(model, [read(model, prompt) for prompt in prompts], stop=stop, max_new_tokens=9) == alone


def test_scores_are_the_log_probabilities_of_the_plain_forward_pass(model: LlamaForCausalLM, prompt: torch.Tensor, prefix: Prefix) -> None:
    continuations = [[5, 6, 7], [8], [9, 1]]
    scores = score_continuations(model, prefix, continuations)
    for ids, score in zip(continuations, scores.tolist(), strict=True):
        embeddings = torch.cat([prompt, model.get_input_embeddings()(torch.tensor(ids))])
        logits = model(inputs_embeds=embeddings[None]).logits[0].log_softmax(-1)
        expected = sum(float(logits[len(prompt) - 1 + place, token]) for place, token in enumerate(ids))
        assert score == pytest.approx(expected, abs=1e-4)


def test_scores_of_all_single_tokens_sum_to_one(model: LlamaForCausalLM, prefix: Prefix) -> None:
    scores = score_continuations(model, prefix, [[token] for token in range(VOCABULARY)])
    assert float(scores.exp().sum()) == pytest.approx(1.0, abs=1e-5)


def test_scores_of_a_batch_are_those_of_each_prefix_alone(model: LlamaForCausalLM) -> None:
    prefixes = prefixes_of(model, 3, 9, 5)
    continuations = [[[5, 6, 7], [8], [9, 1]], [[4], [3]], [[1, 2], [1, 2, 3, 4, 5]]]
    for together, prefix, each in zip(score_batch(model, prefixes, continuations), prefixes, continuations, strict=True):
        torch.testing.assert_close(together, score_continuations(model, prefix, each))
        for ids, score in zip(each, together, strict=True):  # no continuation sees another
            torch.testing.assert_close(score_continuations(model, prefix, [ids])[0], score)
    assert [prefix.cache.get_seq_length() for prefix in prefixes] == [3, 9, 5]


def test_samples_are_drawn_by_their_probability_and_know_what_was_put_in(model: LlamaForCausalLM) -> None:
    prefixes = prefixes_of(model, 3, 9)
    guides = [None, lambda said, token: [[5, 6, 7]] if len(said) == 1 else []]
    groups = sample_batch(model, prefixes, 400, stop=never, max_new_tokens=4, generator=torch.Generator().manual_seed(1), guides=guides)
    assert [len(group) for group in groups] == [400, 400]
    for prefix, group in zip(prefixes, groups, strict=True):
        wanted = prefix.logits.softmax(-1)
        drawn = torch.bincount(torch.tensor([sample.ids[0] for sample in group]), minlength=VOCABULARY) / 400
        assert (drawn - wanted).abs().max() < 0.08
    assert all(sample.chosen == [True] * 4 for sample in groups[0])
    assert all(sample.ids[1:] == [5, 6, 7] and sample.chosen == [True, False, False, False] for sample in groups[1])
    again = sample_batch(model, prefixes, 400, stop=never, max_new_tokens=4, generator=torch.Generator().manual_seed(1), guides=guides)
    assert again == groups


def test_an_empty_continuation_is_refused(model: LlamaForCausalLM, prefix: Prefix) -> None:
    with pytest.raises(ValueError, match="at least one token"):
        score_continuations(model, prefix, [[1], []])


def test_stop_at_sees_texts_ids_and_the_end() -> None:
    stop = stop_at(tiny_tokenizer(), ["</answer>"], [3])
    assert not stop([1, 2])
    assert stop([1, 2, 4])
    assert stop([1, 3])
    assert stop([0])


def test_lora_starts_as_the_model_itself_trains_and_merges_into_the_same_function(prompt: torch.Tensor) -> None:
    model = random_model()
    before = read(model, prompt).logits
    add_lora(model, LoraSettings(rank=2, first_layer=1))
    model.double()
    torch.testing.assert_close(read(model, prompt).logits, before)
    weights = lora_weights(model)
    assert {name.split(".")[2] for name in weights} == {"1"}
    assert {name for name, weight in model.named_parameters() if weight.requires_grad} == set(weights)
    load_lora_weights(model, {name: torch.full_like(weight, 0.03) for name, weight in weights.items()})
    changed = read(model, prompt).logits
    assert (changed - before).abs().max() > 1e-3
    merge_lora(model)
    torch.testing.assert_close(read(model, prompt).logits, changed)
    assert not lora_weights(model)


def test_foreign_lora_weights_and_settings_are_refused() -> None:
    model = random_model()
    with pytest.raises(InputError, match="touches nothing"):
        add_lora(model, LoraSettings(first_layer=2))
    add_lora(model, LoraSettings(rank=2))
    with pytest.raises(InputError, match="do not fit"):
        load_lora_weights(model, {"other": torch.zeros(1)})


def test_a_saved_model_is_loaded_frozen_but_for_its_lora(tmp_path: Path) -> None:
    random_model().float().save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    model, tokenizer = load_language_model(str(tmp_path), lora=LoraSettings(rank=2))
    assert tokenizer("the dog barks").input_ids == [1, 2, 3]
    assert math.isfinite(model(input_ids=torch.tensor([[1, 2]])).logits.detach().sum().item())
    assert all((".lora_" in name) == weight.requires_grad for name, weight in model.named_parameters())


def test_a_folder_without_a_model_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot load a language model") as caught:
        load_language_model(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_guide_that_allows_everything_changes_nothing(model: LlamaForCausalLM, prompt: torch.Tensor, prefix: Prefix) -> None:
    assert greedy(model, prefix, stop=never, max_new_tokens=9, guide=lambda said, token: []) == plain_greedy(model, prompt, 9)


def test_what_a_guide_puts_in_is_read_before_going_on(model: LlamaForCausalLM, prompt: torch.Tensor, prefix: Prefix) -> None:
    said = greedy(model, prefix, stop=never, max_new_tokens=7, guide=lambda said, token: [[5, 6, 7]] if len(said) == 2 else [])
    begun = plain_greedy(model, prompt, 2)
    assert said[:5] == [*begun, 5, 6, 7]
    read_so_far = torch.cat([prompt, model.get_input_embeddings()(torch.tensor(said[:5]))])
    assert said[5:] == plain_greedy(model, read_so_far, 2)


def test_of_several_allowed_continuations_the_more_probable_tokens_are_taken(model: LlamaForCausalLM, prompt: torch.Tensor, prefix: Prefix) -> None:
    allowed = [[3, 4], [3, 9], [8, 1]]
    said = greedy(model, prefix, stop=never, max_new_tokens=2, guide=lambda said, token: allowed)
    first = 3 if prefix.logits[3] > prefix.logits[8] else 8
    after = read(model, model.get_input_embeddings()(torch.tensor([first])), prefix).logits
    assert said == ([3, 4 if after[4] > after[9] else 9] if first == 3 else [8, 1])


def test_guided_streams_of_a_batch_are_those_alone(model: LlamaForCausalLM) -> None:
    prefixes = prefixes_of(model, 3, 9, 5)
    guides = [None, lambda said, token: [[1, 2, 3], [1, 5]] if len(said) % 4 == 1 else [], lambda said, token: [[7, 7]] if not said else []]
    stop = lambda ids: len(ids) > 3 and ids[-1] % 5 == 0  # noqa: E731
    alone = [greedy(model, prefix, stop=stop, max_new_tokens=11, guide=guide) for prefix, guide in zip(prefixes, guides, strict=True)]
    assert greedy_batch(model, prefixes, stop=stop, max_new_tokens=11, guides=guides) == alone


def test_a_guided_text_is_no_longer_than_allowed_and_ends_where_it_should(model: LlamaForCausalLM, prefix: Prefix) -> None:
    assert greedy(model, prefix, stop=never, max_new_tokens=4, guide=lambda said, token: [[1, 2, 3]]) == [1, 2, 3, 1]
    assert greedy(model, prefix, stop=lambda ids: ids[-1] == 3, max_new_tokens=40, guide=lambda said, token: [[1, 2, 3]]) == [1, 2, 3]
