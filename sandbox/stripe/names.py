"""Believable people of many countries, each from a number: names in several parts, addresses, phones."""

import unicodedata
from dataclasses import dataclass

from .forms import Json

PLACES = (
    # locale, country, dial, given names, family names, (city, state, postal code, street)
    ("en-US", "US", "+1 415 555 ", "Olivia|James|Mary Ann|Marcus|Ava|Daniel", "Carter|O'Neill|Nguyen|Van Buren|Johnson|Lee-Foster", ("San Francisco|CA|94107|{} Folsom Street", "Austin|TX|78701|{} Congress Avenue", "Brooklyn|NY|11215|{} 7th Avenue")),
    ("en-GB", "GB", "+44 20 7946 ", "Harriet|Oliver|Imogen|Callum|Priya", "Ashworth|St. John-Smythe|Patel|Fraser|Bell", ("London||E8 3RL|{} Mare Street", "Leeds||LS1 4DY|{} Park Row", "Bristol||BS1 5TR|{} Queen Square")),
    ("de", "DE", "+49 30 901820 ", "Anna-Lena|Jürgen|Karin|Maximilian|Ayşe", "Müller|von der Heide|Schröder|Yılmaz|Großmann", ("Berlin||10119|Torstraße {}", "Hamburg||20357|Schanzenstraße {}", "Münster||48143|Salzstraße {}")),
    ("fr", "FR", "+33 1 99 00 ", "Amélie|Jean-Baptiste|Zoé|Étienne|Mathilde", "Lefèvre|de La Tour|Dupont|Benoît|Moreau", ("Paris||75011|{} rue Oberkampf", "Lyon||69001|{} rue Burdeau", "Nantes||44000|{} quai de la Fosse")),
    ("es", "ES", "+34 91 55 ", "María José|Íñigo|Lucía|José Antonio|Carmen", "García Márquez|Núñez|Fernández de Córdoba|Ortega|Ruiz", ("Madrid||28004|Calle de Fuencarral {}", "Sevilla||41001|Calle Sierpes {}")),
    ("pt-BR", "BR", "+55 11 5555-", "João Pedro|Beatriz|Thiago|Ana Clara|Luísa", "da Silva Santos|Oliveira|dos Anjos|Gonçalves|Araújo", ("São Paulo|SP|01310-100|Avenida Paulista {}", "Recife|PE|50030-230|Rua da Guia {}")),
    ("ja", "JP", "+81 3 5550 ", "Haruto|Yui|Kenji|Sakura|Ren", "Tanaka|Sato|Kobayashi|Watanabe|Ito", ("Shibuya-ku|Tokyo|150-0002|Shibuya {}", "Kyoto|Kyoto|604-8005|Kiyamachi-dori {}")),
    ("nl", "NL", "+31 20 555 ", "Sanne|Bram|Fleur|Daan|Lotte", "van den Berg|de Vries|van 't Hoff|Jansen|Bakker", ("Amsterdam||1015 CJ|Prinsengracht {}", "Utrecht||3511 LX|Oudegracht {}")),
    ("sv", "SE", "+46 8 555 ", "Åsa|Björn|Elin|Oskar|Maja", "Lindqvist|Öberg|Sjöström|Ekström|Holm", ("Stockholm||116 46|Götgatan {}", "Göteborg||413 01|Linnégatan {}")),
    ("pl", "PL", "+48 22 555 ", "Łukasz|Agnieszka|Paweł|Małgorzata|Zofia", "Wójcik|Kowalska|Zieliński|Szymańska|Nowak", ("Warszawa||00-375|ul. Smolna {}", "Kraków||31-042|Rynek Główny {}")),
    ("it", "IT", "+39 06 555 ", "Chiara|Niccolò|Giulia|Pier Paolo|Francesca", "D'Angelo|Rossi|Di Stefano|Bianchi|Esposito", ("Roma|RM|00153|Via della Scala {}", "Torino|TO|10123|Via Po {}")),
    ("ar", "KW", "+965 2222 ", "Fatima|Khalid|Noura|Yousef|Abdul Rahman", "Al-Sabah|Al-Mutairi|bin Nasser|Al-Rashid|Haddad", ("Kuwait City||13001|Fahad Al-Salem Street {}", "Salmiya||22001|Salem Al-Mubarak Street {}")),
    ("hi", "IN", "+91 22 5550 ", "Aarav|Ananya|Vikram|Meera|Rohan", "Krishnamurthy|Sharma|Iyer|Banerjee|Das Gupta", ("Mumbai|MH|400050|Hill Road {}", "Bengaluru|KA|560001|MG Road {}")),
)  # fmt: skip

COMPANIES = (
    "Brightwell", "Lumen & Co", "Kite Works", "Fjord Labs", "Oak Street", "Papillon", "Nordlicht", "Tessera",
    "Blue Heron", "Quill", "Marmalade", "Copperfield", "Halcyon", "Juniper", "Ostrava Tools", "Solstice",
)  # fmt: skip
SUFFIXES = ("Studio", "GmbH", "Ltd", "Design", "Media", "Group", "Consulting", "SARL")


@dataclass(frozen=True)
class Person:
    name: str
    mailbox: str
    phone: str
    address: Json
    locale: str
    country: str
    company: str


def person(number: int) -> Person:
    """The person with this number; neighbours differ in country, name and town."""
    locale, country, dial, given_names, family_names, towns = PLACES[(number * 7) % len(PLACES)]
    given = given_names.split("|")[number // len(PLACES) % len(given_names.split("|"))]
    family = family_names.split("|")[number // 3 % len(family_names.split("|"))]
    city, state, postal_code, street = towns[number // 5 % len(towns)].split("|")
    company = f"{COMPANIES[number // 2 % len(COMPANIES)]} {SUFFIXES[number // 11 % len(SUFFIXES)]}"
    address = {
        "city": city,
        "country": country,
        "line1": street.format(1 + number * 13 % 180),
        "line2": f"Apt {1 + number % 40}" if number % 9 == 0 else None,
        "postal_code": postal_code,
        "state": state or None,
    }
    mailbox = f"{_plain(given)}.{_plain(family)}"
    return Person(f"{given} {family}", mailbox, f"{dial}{1000 + number * 37 % 9000}", address, locale, country, company)


def _plain(name: str) -> str:
    """A name as it stands in an e-mail address: no accents, blanks or quotes."""
    special = name.translate(str.maketrans({"ł": "l", "Ł": "L", "ß": "ss", "ı": "i", "ø": "o"}))
    letters = unicodedata.normalize("NFKD", special).encode("ascii", "ignore").decode()
    return "".join(letter for letter in letters if letter.isalnum()).lower()
