# Texts of our own for tools/make_fixture.py: what the tokenizers are trained on, and what is embedded.
TRAINING = """
The baker lights the oven at four, before the street is awake.
Every lighthouse keeper writes the weather into a book, even when nobody reads it.
A ship that is late is not yet lost, said the harbour master, and closed the window.
The library lends books, maps, ladders and, on Thursdays, a telescope.
Children counted the wagons of the long train: thirty-nine, forty, forty-one.
Salt, flour, water and time; everything else about bread is an opinion.
She repaired clocks for a living and was late for everything.
The river rises in spring and takes the lower path away.
An engineer measures twice, a carpenter measures twice, a poet does not measure.
How do I get from the station to the museum without crossing the bridge?
What is the capital of a country that has no cities?
Why does bread rise, and how long should the dough rest before it goes in?
The vector of a sentence is a place; sentences that mean the same are neighbours.
Gravity pulls on the apple, the moon and the reader alike.
In 1874 the town had 2,310 people and one piano; in 2019 it had 12,045 and three.
The price is $1,250.00, or 15% less if you pay before 3.30 on Friday.
Unhappily, the unopened letters were neither rewritten nor forgotten.
Retrieval finds the document; ranking decides which one you read.
Represent the question, represent the passage, and compare the two.
Der Bäcker heizt den Ofen um vier, bevor die Straße wach ist.
La boulangère allume le four à quatre heures, été comme hiver.
El río crece en primavera y se lleva el camino de abajo.
Пекарь зажигает печь в четыре часа утра.
パン屋は四時に窯に火を入れる。
面包师四点钟点燃烤炉。
def f(x): return x + 1  # adds one
SELECT name FROM towns WHERE people > 2000;
""".strip().splitlines()

_LONG = ("The lighthouse keeper wrote the weather into a book, the ships into another, and what he thought about both "
         "into a third, which he kept under the stairs. ")

CASES = {
    "batch": [
        "The baker lights the oven at four.",
        "Hello",
        "How do I get from the station to the museum, and how long does it take if the bridge is closed on Friday?",
        "vectors",
        "Salt, flour, water and time",
    ],
    "edge": ["", " ", "a", "  spaces   before,\tbetween\nand after \r\n ", "?!?!...,,,;", "0123456789 3.30 $1,250.00 15%"],
    "unicode": [
        "面包师四点钟点燃烤炉。",
        "パン屋は四時に窯に火を入れる",
        "불이 켜진 등대",
        "\U0001f600 \U0001f469\u200d\U0001f373 bread \U0001f35e",
        "Café, naïve, Zürich, Łódź",
        "مخبز בית אפייה",
        "ﬁne ① ＡＢＣ ½ ™ \u00a0nbsp\u200bzwsp",
        "Пекарь зажигает печь",
    ],
    "special": ["[CLS] typed by hand [SEP]", "a [MASK] b[PAD]", "def f(x): return x ** 2  # comment",
                "https://example.org/a?b=c&d=%20#e", "don't they'll I'VE it's"],
    "long": [_LONG * 4],
}

PROMPT_TEXTS = ["what is the capital of a country that has no cities?", "Gravity", "", "The price is $1,250.00"]

MINILM_TEXTS = [
    "The baker lights the oven at four, before the street is awake.",
    "A ship that is late is not yet lost.",
    "",
    "tea",
    "Der Bäcker heizt den Ofen um vier; パン屋は四時に窯に火を入れる。",
    "HOW LONG SHOULD THE DOUGH REST, and why does bread rise?!",
    "price: $1,250.00 (15% less before 3.30 pm) \U0001f35e https://example.org/a?b=c",
    _LONG * 9,
]
