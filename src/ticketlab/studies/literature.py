"""Publications that several studies build on."""

from ticketlab.studies.study import Source

__all__ = [
    "BERGER_1982",
    "CAMERON_2011",
    "JACOT_2018",
    "LEE_2019",
    "RAMANUJAN_2020",
    "SCHUIRMANN_1987",
    "ZHOU_2019",
]

BERGER_1982 = Source(
    "Berger 1982",
    "R. L. Berger. Multiparameter hypothesis testing and acceptance sampling. Technometrics 24.",
)
CAMERON_2011 = Source(
    "Cameron et al. 2011",
    "A. C. Cameron, J. B. Gelbach, D. L. Miller. Robust inference with multiway clustering. J. Business & Economic "
    "Statistics 29.",
)
JACOT_2018 = Source(
    "Jacot et al. 2018",
    "A. Jacot, F. Gabriel, C. Hongler. Neural Tangent Kernel: Convergence and Generalization in Neural Networks. "
    "NeurIPS 2018.",
    "https://arxiv.org/abs/1806.07572",
)
LEE_2019 = Source(
    "Lee et al. 2019",
    "J. Lee et al. Wide Neural Networks of Any Depth Evolve as Linear Models Under Gradient Descent. NeurIPS 2019.",
    "https://arxiv.org/abs/1902.06720",
)
RAMANUJAN_2020 = Source(
    "Ramanujan et al. 2020",
    "V. Ramanujan, M. Wortsman, A. Kembhavi, A. Farhadi, M. Rastegari. What's Hidden in a Randomly Weighted Neural Network? "
    "CVPR 2020.",
    "https://arxiv.org/abs/1911.13299",
)
SCHUIRMANN_1987 = Source(
    "Schuirmann 1987",
    "D. J. Schuirmann. A comparison of the two one-sided tests procedure and the power approach for assessing the "
    "equivalence of average bioavailability. J. Pharmacokinetics and Biopharmaceutics 15.",
)
ZHOU_2019 = Source(
    "Zhou et al. 2019",
    "H. Zhou, J. Lan, R. Liu, J. Yosinski. Deconstructing Lottery Tickets: Zeros, Signs, and the Supermask. NeurIPS 2019.",
    "https://arxiv.org/abs/1905.01067",
)
