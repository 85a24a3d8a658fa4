"""Publications that several studies build on."""

from ticketlab.evidence.source import Source

__all__ = [
    "ALAIN_BENGIO_2016", "BERGER_1982", "CAMERON_2011", "EVCI_2020", "FRANKLE_2020", "FRANKLE_CARBIN_2019", "HE_2020",
    "JACOT_2018", "LEE_2019", "LEE_AJANTHAN_2019", "RAMANUJAN_2020", "SCHUIRMANN_1987", "STOCK_2019", "YANG_2022",
    "ZHOU_2019",
]  # fmt: skip

ALAIN_BENGIO_2016 = Source(
    "Alain & Bengio 2016",
    "G. Alain, Y. Bengio. Understanding intermediate layers using linear classifier probes.",
    "https://arxiv.org/abs/1610.01644",
)
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
HE_2020 = Source(
    "He et al. 2020",
    "B. He, B. Lakshminarayanan, Y. W. Teh. Bayesian Deep Ensembles via the Neural Tangent Kernel. NeurIPS 2020.",
    "https://arxiv.org/abs/2007.05864",
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
LEE_AJANTHAN_2019 = Source(
    "Lee et al. 2019",
    "N. Lee, T. Ajanthan, P. H. S. Torr. SNIP: Single-shot Network Pruning based on Connection Sensitivity. ICLR 2019.",
    "https://arxiv.org/abs/1810.02340",
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
STOCK_2019 = Source(
    "Stock et al. 2019",
    "P. Stock, B. Graham, R. Gribonval, H. Jégou. Equi-normalization of neural networks. ICLR.",
    "https://arxiv.org/abs/1902.10416",
)
YANG_2022 = Source(
    "Yang et al. 2022",
    "G. Yang et al. Tensor Programs V: Tuning Large Neural Networks via Zero-Shot Hyperparameter Transfer.",
    "https://arxiv.org/abs/2203.03466",
)
ZHOU_2019 = Source(
    "Zhou et al. 2019",
    "H. Zhou, J. Lan, R. Liu, J. Yosinski. Deconstructing Lottery Tickets: Zeros, Signs, and the Supermask. NeurIPS 2019.",
    "https://arxiv.org/abs/1905.01067",
)
