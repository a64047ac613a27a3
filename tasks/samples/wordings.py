"""The questions the tiny models learn from: a scene's questions in the wording of each benchmark they are shown on."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.data.scenes import (
    COLORS,
    SHAPES,
    WORDS,
    ImageScene,
    SceneQuestion,
    VideoScene,
    image_caption,
    image_questions,
    video_questions,
)
from tasks.qa_preamble import OWN_PREAMBLE
from tasks.samples.phrases import ANSWERS, most_options, options, with_article
from tasks.wording import LETTER_ANSWER, SHORT_ANSWER, lettered

OPEN_ROUNDS = 2
"""How often each picture is asked about anew in GQA's wording (about six questions a round)."""
CAPTIONED = 0.25
"""Share of the pictures that are also described."""
SHUFFLES = 2
"""How often a question about a clip is asked with its options in a new order."""
UNANSWERABLE = "When the provided information is insufficient, respond with 'Unanswerable'."
"""VizWiz's instruction (specs/image_benchmarks.md section 4)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and its answer, ready to train on. `kind`: what is asked; `form`: how the question is put."""

    kind: str
    form: str
    prompt: str
    answer: str


def picture_questions(scene: ImageScene, rng: random.Random, lookups: int = 0) -> Iterator[Asked]:
    """About one picture: open, with letters, yes or no, with OCR tokens, perhaps unanswerable, without instruction.

    `lookups`: how many questions come with them that the options themselves answer.
    """
    for _ in range(OPEN_ROUNDS):
        for question in image_questions(scene, rng):
            yield Asked(question.kind, "open", f"{question.text}\n{SHORT_ANSWER}", question.answer)
    for question in image_questions(scene, rng):
        yield _with_letters(question, rng)
    asked = image_questions(scene, rng)
    yield _without_instruction(rng.choice(asked))
    if rng.random() < CAPTIONED:
        yield Asked("caption", "bare", "Describe the image.", image_caption(scene))
    yield from _yes_or_no(scene, rng)
    if scene.word is not None:
        yield _with_ocr(scene.word.lower(), rng)
    yield _perhaps_unanswerable(scene, rng)
    for _ in range(lookups):
        pool = rng.choice([pool for pool in ANSWERS.values() if len(pool) >= 4])
        yield _lookup(rng.sample(pool, 4), rng)


def clip_questions(scene: VideoScene, rng: random.Random) -> Iterator[Asked]:
    """About one clip: open, bare, behind MSVD-QA's preamble, and with options in several orders."""
    for question in video_questions(scene):
        yield Asked(question.kind, "open", f"{question.text}\n{SHORT_ANSWER}", question.answer)
        yield _without_instruction(question)
        yield Asked(question.kind, "sentence", f"{OWN_PREAMBLE}{question.text}", question.answer)
        for _ in range(SHUFFLES):
            choices = rng.sample(question.choices, len(question.choices))
            yield with_options(replace(question, choices=tuple(choices)))
        yield _lookup(rng.sample(question.choices, len(question.choices)), rng)


def with_options(question: SceneQuestion) -> Asked:
    """MLVU's and MVBench's wording in LLaVA-Mini. The answer is "red (B)": the letter follows from the word, which must
    be found first; every parser takes it."""
    letters = dict(zip(question.choices, "ABCDE", strict=False))
    shown = "".join(f"\n({letter}) {text}" for text, letter in letters.items())
    prompt = f"Question: {question.text}\nOptions:{shown}\nAnswer with one letter."
    return Asked(question.kind, "options", prompt, f"{question.answer} ({letters[question.answer]})")


def _lookup(choices: Sequence[str], rng: random.Random) -> Asked:
    """Which letter stands before a word: nothing to see, but what a letter after a word is read from."""
    answer = rng.choice(choices)
    question = SceneQuestion("lookup", f"Which option is {answer}?", answer, tuple(choices))
    return replace(with_options(question), form="lookup")


def _with_letters(question: SceneQuestion, rng: random.Random) -> Asked:
    """ScienceQA's, MMBench's and SEED's wording, with two to four options."""
    count = rng.randint(2, min(4, most_options(question)))
    place = rng.randrange(count)
    prompt = f"{question.text}\n{lettered(options(question, place, count, rng))}\n{LETTER_ANSWER}"
    return Asked(question.kind, "letters", prompt, "ABCD"[place])


def _without_instruction(question: SceneQuestion) -> Asked:
    return Asked(question.kind, "bare", question.text, question.answer)


def _with_ocr(word: str, rng: random.Random) -> Asked:
    """TextVQA's wording: the printed word among the tokens, with up to two that are not printed."""
    tokens = [word, *rng.sample([other.lower() for other in WORDS if other.lower() != word], rng.randint(0, 2))]
    rng.shuffle(tokens)
    return Asked(
        "word", "ocr", f"What word is printed?\nReference OCR token: {', '.join(tokens)}\n{SHORT_ANSWER}", word
    )


def _perhaps_unanswerable(scene: ImageScene, rng: random.Random) -> Asked:
    """VizWiz's wording; half of the questions are about something that is not there."""
    shapes = {thing.shape for thing in scene.things}
    absent = [shape for shape in SHAPES if shape not in shapes]
    if absent and rng.random() < 0.5:
        question = SceneQuestion("unanswerable", f"What color is the {rng.choice(absent)}?", "unanswerable")
    else:
        question = rng.choice(image_questions(scene, rng))
    prompt = f"{question.text.capitalize()}\n{UNANSWERABLE}\n{SHORT_ANSWER}"
    return Asked(question.kind, "vizwiz", prompt, question.answer)


def _yes_or_no(scene: ImageScene, rng: random.Random) -> Iterator[Asked]:
    """POPE's and MME's wordings, one of each, with yes and no equally likely."""
    thing, yes = rng.choice(scene.things), rng.random() < 0.5
    colors, shapes = {one.color for one in scene.things}, {one.shape for one in scene.things}
    no_color = rng.choice([color for color in COLORS if color not in colors])
    no_shape = rng.choice([shape for shape in SHAPES if shape not in shapes] or [""])
    names = [
        (f"{thing.color} object", f"{no_color} object"),
        (f"{thing.color} {thing.shape}", f"{no_color} {thing.shape}"),
    ]
    names += [(thing.shape, no_shape)] if no_shape else []
    number = sum(one.shape == scene.things[0].shape for one in scene.things)
    wrong = rng.choice([n for n in (1, 2, 3, 4) if n != number])
    questions = [("existence", f"Is there {with_article(pair[not yes])} in the image?") for pair in names]
    forms = [
        ("existence", f"Is there {with_article(names[0][not yes])} in this image?"),
        ("count", f"Is the number of {scene.things[0].shape} objects in this image {number if yes else wrong}?"),
    ]
    if no_shape:
        forms.append(("existence", f"Does this image show a {thing.shape if yes else no_shape}?"))
    if scene.word is not None:
        other = rng.choice([word for word in WORDS if word != scene.word])
        forms.append(("word", f'Is the word in the image "{(scene.word if yes else other).lower()}"?'))
    for kind, text in (rng.choice(questions), rng.choice(forms)):
        yield Asked(kind, "yes-no", f"{text}\n{SHORT_ANSWER}", "yes" if yes else "no")


def caption(scene: ImageScene) -> Asked:
    """Stage 1: no question at all."""
    return Asked("caption", "bare", "", image_caption(scene))
