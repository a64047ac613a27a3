"""Tables of the VQA evaluation protocol, as data: how answers that mean the same are brought to one spelling.

Origin: the VQA API's evaluator (BSD-2-Clause), which M4C's answer processor (mmf, BSD) and the VizWiz evaluator took
over. Odd entries are the protocol's own and stay: "somebody'd" loses its apostrophe, and entries with capitals never
match, since text is in lower case by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
"""What is removed or becomes a space. No period, colon, apostrophe or percent sign."""

ARTICLES = frozenset({"a", "an", "the"})

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NUMBERS: Mapping[str, str] = {"none": "0"} | {word: str(number) for number, word in enumerate(_NUMBERS)}

_CONTRACTIONS = """
    ain't aint
    aren't arent
    can't cant
    could've couldve
    couldn't couldnt
    couldn't've couldn'tve couldnt've
    didn't didnt
    doesn't doesnt
    don't dont
    hadn't hadnt
    hadn't've hadnt've hadn'tve
    hasn't hasnt
    haven't havent
    he'd hed
    he'd've hed've he'dve
    he's hes
    how'd howd
    how'll howll
    how's hows
    I'd've Id've I'dve
    I'm Im
    I've Ive
    isn't isnt
    it'd itd
    it'd've itd've it'dve
    it'll itll
    let's let's
    ma'am maam
    mightn't mightnt
    mightn't've mightnt've mightn'tve
    might've mightve
    mustn't mustnt
    must've mustve
    needn't neednt
    not've notve
    o'clock oclock
    oughtn't oughtnt
    'ow's'at ow's'at 'ows'at 'ow'sat
    shan't shant
    she'd've shed've she'dve
    she's she's
    should've shouldve
    shouldn't shouldnt
    shouldn't've shouldnt've shouldn'tve
    somebodyd somebody'd
    somebody'd've somebodyd've somebody'dve
    somebody'll somebodyll
    somebody's somebodys
    someone'd someoned
    someone'd've someoned've someone'dve
    someone'll someonell
    someone's someones
    something'd somethingd
    something'd've somethingd've something'dve
    something'll somethingll
    that's thats
    there'd thered
    there'd've thered've there'dve
    there're therere
    there's theres
    they'd theyd
    they'd've theyd've they'dve
    they'll theyll
    they're theyre
    they've theyve
    'twas twas
    wasn't wasnt
    we'd've wed've we'dve
    we've weve
    weren't werent
    what'll whatll
    what're whatre
    what's whats
    what've whatve
    when's whens
    where'd whered
    where's wheres
    where've whereve
    who'd whod
    who'd've whod've who'dve
    who'll wholl
    who's whos
    who've whove
    why'll whyll
    why're whyre
    why's whys
    won't wont
    would've wouldve
    wouldn't wouldnt
    wouldn't've wouldnt've wouldn'tve
    y'all yall
    y'all'll yall'll y'allll
    y'all'd've yall'd've y'alld've y'all'dve
    you'd youd
    you'd've youd've you'dve
    you'll youll
    you're youre
    you've youve
"""
"""A contraction, then the spellings that become it."""

_STRAIGHT = frozenset({"ain't", "aren't", "can't", "could've", "couldn't", "we've", "where's", "who've"})
"""Contractions that the VizWiz table writes with straight apostrophes, as the VQA table does."""
_STRAIGHT_KEYS = frozenset({"couldn'tve", "hadn'tve"})


@cache
def vqa_contractions() -> Mapping[str, str]:
    """Spelling to contraction, for VQA and M4C."""
    rows = (line.split() for line in _CONTRACTIONS.strip().splitlines())
    return {spelling: right for right, *spellings in rows for spelling in spellings}


@cache
def vizwiz_contractions() -> Mapping[str, str]:
    """The same with typographic apostrophes (U+2019) in most entries, as the VizWiz evaluator has them.

    Where the VQA table says "don't", this one says "don\u2019t", which no annotator's straight apostrophe equals. The
    annotators' answers are not normalised, so the difference counts.
    """
    table = {}
    for spelling, right in vqa_contractions().items():
        key = spelling if spelling in _STRAIGHT_KEYS else spelling.replace("'", "\u2019")
        table[key] = right if right in _STRAIGHT else right.replace("'", "\u2019")
    return table
