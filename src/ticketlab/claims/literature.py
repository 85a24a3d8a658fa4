"""Publications that several studies build on."""

from ticketlab.evidence.source import Source

__all__ = [
    "BERGER_1982", "CAMERON_2011", "EVCI_2020", "FRANKLE_2020", "FRANKLE_CARBIN_2019", "JACOT_2018", "LEE_2019",
    "RAMANUJAN_2020", "SCHUIRMANN_1987", "ZHOU_2019",
]  # fmt: skip

BERGER_1982 = Source(
    "Berger 1982",
    "R. L. Berger. Multiparameter hypothesis testing and acceptance sampling. Technometrics 24.",
)
CAMERON_2011 = Source(
    "Cameron et al. 2011",
    "A. C. Cameron, J. B. Gelbach, D. L. Miller. Robust inference with multiway clustering. J. Business & Economic "
    "Statistics 29.",
)
EVCI_2020 = Source(
    "Evci et al. 2020",
    "U. Evci, T. Gale, J. Menick, P. S. Castro, E. Elsen. Rigging the Lottery: Making All Tickets Winners. ICML 2020.",
    "https://arxiv.org/abs/1911.11134",
)
FRANKLE_2020 = Source(
    "Frankle et al. 2020",
    "J. Frankle, G. K. Dziugaite, D. M. Roy, M. Carbin. Linear Mode Connectivity and the Lottery Ticket Hypothesis. ICML 2020.",
    "https://arxiv.org/abs/1912.05671",
)
FRANKLE_CARBIN_2019 = Source(
    "Frankle & Carbin 2019",
    "J. Frankle, M. Carbin. The Lottery Ticket Hypothesis: Finding Sparse, Trainable Neural Networks. ICLR 2019.",
    "https://arxiv.org/abs/1803.03635",
)
JACOT_2018 = Source(
    "Jacot et al. 2018",
    "A. Jacot, F. Gabriel, C. Hongler. Neural Tangent Kernel: Convergence and Generalization in Neural Networks. NeurIPS 2018.",
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
