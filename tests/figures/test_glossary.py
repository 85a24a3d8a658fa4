from ticketlab.figures.glossary import TERMS, Glossary


def test_a_word_is_explained_where_it_first_appears():
    words = Glossary({"mask": "what is kept", "seed": "a <repetition>"})
    assert words.explain("repeated over 5 seeds") == (
        '<p class="terms"><dfn>seed</dfn>: a &lt;repetition&gt;.</p>'
    )
    assert words.explain("5 seeds under a mask") == '<p class="terms"><dfn>mask</dfn>: what is kept.</p>'
    assert words.explain("the same mask and seed") == ""


def test_parts_of_words_are_no_words():
    assert Glossary({"flow": "…"}).explain("overflow, flowing") == ""


def test_explanations_are_phrases():
    assert all(words and not words.endswith(".") for words in TERMS.values())
