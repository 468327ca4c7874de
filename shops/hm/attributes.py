"""List the attributes of the hm shop's articles: as many values of each as in the competition."""

from typing import NamedTuple


class Index(NamedTuple):
    """An index, a part of the shop. Each of its ``lines`` is a section, with five or six departments."""

    letter: str
    name: str
    number: int  # of the index group
    group: str
    share: float  # of the articles
    sales: float  # share of the sales
    age: float  # mean age of its buyers
    lines: int
    ranges: str  # the kinds that it sells, letters of Kind.range


class Kind(NamedTuple):
    """A product type. Its seasonal factor is exp(swing * cos(season)): ``swing`` > 0 sells in summer, < 0 in winter."""

    name: str
    group: str
    garment: str
    range: str  # w: clothes, u: underwear, s: swimwear, x: accessories, f: shoes
    cents: int  # usual price
    swing: float
    rebuy: float  # chance that a customer who rebuys its product takes the same article, not another colour
    share: int  # approximate number of articles of this kind in the competition


INDEXES = (
    Index("A", "Ladieswear", 1, "Ladieswear", 0.246, 0.406, 38, 12, "wf"),
    Index("B", "Lingerie and tights", 1, "Ladieswear", 0.064, 0.179, 33, 6, "us"),
    Index("C", "Ladies accessories", 1, "Ladieswear", 0.066, 0.061, 36, 5, "xf"),
    Index("D", "Divided", 2, "Divided", 0.144, 0.222, 25, 8, "wxs"),
    Index("F", "Menswear", 3, "Menswear", 0.119, 0.055, 36, 9, "wuxf"),
    Index("G", "Baby", 4, "Children", 0.084, 0.008, 33, 3, "wu"),
    Index("H", "Small children", 4, "Children", 0.114, 0.010, 35, 4, "wu"),
    Index("I", "Big children", 4, "Children", 0.087, 0.017, 41, 3, "wu"),
    Index("J", "Children accessories, swimwear", 4, "Children", 0.044, 0.004, 37, 2, "xs"),
    Index("S", "Sport", 26, "Sport", 0.032, 0.038, 32, 5, "wu"),
)
DEPARTMENTS = 299  # in all sections together

KINDS = (
    Kind("Trousers", "Lower body", "Trousers", "w", 2999, -0.1, 0.30, 13000),
    Kind("Jeans", "Lower body", "Denim", "w", 2999, -0.1, 0.30, 900),
    Kind("Leggings", "Lower body", "Jersey basic", "w", 1299, -0.2, 0.30, 1878),
    Kind("Shorts", "Lower body", "Shorts", "w", 1999, 1.4, 0.20, 3939),
    Kind("Skirt", "Lower body", "Skirts", "w", 1999, 0.4, 0.25, 2696),
    Kind("Dress", "Full body", "Dresses", "w", 2999, 0.6, 0.25, 11500),
    Kind("Jumpsuit", "Full body", "Dresses", "w", 2999, 0.5, 0.20, 1147),
    Kind("Party dress", "Full body", "Girls' dresses", "w", 2499, 0.0, 0.15, 400),
    Kind("Dungarees", "Full body", "Sets", "w", 2999, 0.1, 0.15, 309),
    Kind("Sweater", "Upper body", "Knitwear", "w", 2499, -1.1, 0.15, 9302),
    Kind("Cardigan", "Upper body", "Knitwear", "w", 2499, -0.5, 0.15, 1550),
    Kind("T-shirt", "Upper body", "Jersey fancy", "w", 999, 0.4, 0.20, 7904),
    Kind("Top", "Upper body", "Jersey fancy", "w", 1299, 0.3, 0.20, 4155),
    Kind("Vest top", "Upper body", "Jersey basic", "w", 799, 0.7, 0.25, 2991),
    Kind("Polo shirt", "Upper body", "Jersey basic", "w", 1499, 0.4, 0.15, 449),
    Kind("Hoodie", "Upper body", "Jersey fancy", "w", 2499, -0.4, 0.15, 2356),
    Kind("Blouse", "Upper body", "Blouses", "w", 1999, 0.2, 0.25, 3979),
    Kind("Shirt", "Upper body", "Shirts", "w", 1999, 0.1, 0.20, 3405),
    Kind("Blazer", "Upper body", "Dressed", "w", 3999, -0.1, 0.35, 1110),
    Kind("Jacket", "Outerwear", "Outdoor", "w", 4999, -0.4, 0.30, 3940),
    Kind("Coat", "Outerwear", "Outdoor", "w", 6999, -1.4, 0.30, 460),
    Kind("Set", "Sets", "Sets", "w", 1999, 0.1, 0.15, 1320),
    Kind("Bodysuit", "Underwear", "Underwear", "u", 1299, 0.1, 0.20, 913),
    Kind("Briefs", "Underwear", "Underwear", "u", 999, 0.0, 0.35, 2748),
    Kind("Bra", "Underwear", "Underwear", "u", 1799, 0.0, 0.30, 2212),
    Kind("Pyjamas", "Nightwear", "Nightwear", "u", 1999, -0.4, 0.10, 1120),
    Kind("Night gown", "Nightwear", "Nightwear", "u", 1999, 0.0, 0.10, 171),
    Kind("Socks", "Socks and tights", "Hosiery", "u", 699, -0.3, 0.40, 1889),
    Kind("Tights", "Socks and tights", "Hosiery", "u", 899, -0.8, 0.45, 546),
    Kind("Bikini top", "Swimwear", "Swimwear", "s", 1299, 1.3, 0.30, 850),
    Kind("Bikini bottom", "Swimwear", "Swimwear", "s", 1299, 1.3, 0.25, 1307),
    Kind("Swimsuit", "Swimwear", "Swimwear", "s", 1999, 1.2, 0.20, 662),
    Kind("Bag", "Bags", "Accessories", "x", 1999, 0.2, 0.05, 1280),
    Kind("Jewellery", "Jewellery", "Accessories", "x", 899, 0.0, 0.10, 2160),
    Kind("Hat", "Accessories", "Accessories", "x", 999, -0.6, 0.05, 2318),
    Kind("Scarf", "Accessories", "Accessories", "x", 1299, -1.2, 0.05, 1013),
    Kind("Hair band", "Hair", "Accessories", "x", 499, 0.1, 0.20, 1336),
    Kind("Belt", "Accessories", "Accessories", "x", 999, 0.0, 0.10, 458),
    Kind("Sunglasses", "Eyewear", "Accessories", "x", 999, 1.0, 0.05, 621),
    Kind("Make-up", "Cosmetics", "Special offers", "x", 699, 0.0, 0.40, 49),
    Kind("Umbrella", "Items", "Special offers", "x", 999, -0.3, 0.05, 26),
    Kind("Sneakers", "Shoes", "Shoes", "f", 2499, 0.0, 0.15, 1621),
    Kind("Boots", "Boots", "Shoes", "f", 4999, -1.2, 0.15, 1028),
    Kind("Sandals", "Sandals", "Shoes", "f", 2499, 1.3, 0.10, 1900),
)
CUTS = ("", "Long ", "Layered ")  # a product type is a kind in one of three cuts
CUT_SHARES = (0.94, 0.04, 0.02)

MASTERS = (
    "Black", "White", "Blue", "Pink", "Grey", "Red", "Beige", "Green", "Khaki", "Yellow",
    "Orange", "Brown", "Metal", "Turquoise", "Mole", "Lilac", "Copper", "Olive", "Mint", "Clear",
)  # fmt: skip
VALUES = ("Plain", "Dark", "Light", "Dusty", "Bright", "Pale", "Deep", "Soft")
COLOURS = 50  # colour groups; csv_tables names them
COLOUR_FALL = 1.05  # the frequency of the k-th colour falls as (k + 1) ** -COLOUR_FALL
PATTERNS = (
    "Solid", "All over pattern", "Melange", "Stripe", "Denim", "Front print", "Placed print", "Check", "Blocks", "Lace",
    "Structure", "Application", "Embroidery", "Mixed", "Glitter", "Jacquard", "Sequin", "Dot", "Washed", "Other",
    "Contrast", "Metallic", "Chambray", "Slub", "Sheer", "Mesh", "Neps", "Argyle", "Hologram", "Unknown",
)  # fmt: skip
PATTERN_FALL = 1.6  # the frequency of the k-th pattern falls as (k + 1) ** -PATTERN_FALL

STYLES = 40  # latent tastes that connect articles of different departments; descriptions and sections hint at them
NAMES = ("Alba", "Birk", "Cleo", "Dune", "Elin", "Fjord", "Gaia", "Iris", "Juno", "Koda", "Liv", "Mika", "Nova", "Olga")
FABRICS = (
    "airy viscose", "brushed cotton", "crinkled satin", "double-faced wool", "embroidered mesh", "flowing modal",
    "glossy nylon", "heavy twill", "imitation leather", "slub linen", "ribbed jersey", "washed denim", "quilted fleece",
    "fine merino", "pleated chiffon", "recycled polyester", "terry", "corduroy", "poplin", "seersucker",
)  # fmt: skip
CLOSINGS = ("buttons down the front", "a concealed zip", "a tie belt", "a drawstring", "press-studs", "an open front")
EDGES = ("a ribbed hem", "rounded corners", "slits in the sides", "a raw edge", "wide elastication", "a lace trim")
POCKETS = ("No pockets.", "Pockets in the side seams.", "One chest pocket with a flap.", "Diagonal welt pockets.")
LININGS = ("Unlined.", "Lined.", "Partly lined in a soft weave.")
