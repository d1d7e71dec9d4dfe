"""Publications behind methods, attacks, protocols and data, as BibTeX."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from jaxcs.catalogue import ATTACKS, DEFENCES, METHODS


class Reference(NamedTuple):
    """A BibTeX entry.

    Attributes:
        kind: article, inproceedings or misc.
        author, title, year: as BibTeX has them.
        venue: journal or proceedings; for misc how it was published.
        more: further fields, such as volume and pages.
    """

    kind: str
    author: str
    title: str
    year: int
    venue: str
    more: dict[str, str]


def _reference(kind: str, author: str, title: str, year: int, venue: str, **more: str) -> Reference:
    return Reference(kind, author, title, year, venue, more)


REFERENCES = {
    "darestani2021": _reference(
        "inproceedings", "Darestani, Mohammad Zalbagi and Chaudhari, Akshay S. and Heckel, Reinhard",
        "Measuring Robustness in Deep Learning Based Compressive Sensing", 2021,
        "International Conference on Machine Learning", eprint="2102.06103",
    ),
    "antun2020": _reference(
        "article", "Antun, Vegard and Renna, Francesco and Poon, Clarice and Adcock, Ben and Hansen, Anders C.",
        "On instabilities of deep learning in image reconstruction and the potential costs of {AI}", 2020,
        "Proceedings of the National Academy of Sciences", eprint="1902.05300",
    ),
    "morshuis2022": _reference(
        "inproceedings", "Morshuis, Jan Nikolas and Gatidis, Sergios and Hein, Matthias and Baumgartner, Christian F.",
        "Adversarial Robustness of {MR} Image Reconstruction under Realistic Perturbations", 2022,
        "Machine Learning for Medical Image Reconstruction", eprint="2208.03161",
    ),
    "genzel2022": _reference(
        "article", "Genzel, Martin and Macdonald, Jan and M{\\\"a}rz, Maximilian",
        "Solving Inverse Problems With Deep Neural Networks - Robustness Included?", 2022,
        "IEEE Transactions on Pattern Analysis and Machine Intelligence", eprint="2011.04268",
    ),
    "darestani2022": _reference(
        "inproceedings", "Darestani, Mohammad Zalbagi and Liu, Jiayu and Heckel, Reinhard",
        "Test-Time Training Can Close the Natural Distribution Shift Performance Gap in Deep Learning Based Compressed "
        "Sensing", 2022, "International Conference on Machine Learning", eprint="2204.07204",
    ),
    "darestani2020": _reference(
        "misc", "Darestani, Mohammad Zalbagi and Heckel, Reinhard",
        "Accelerated {MRI} with Un-trained Neural Networks", 2020, "arXiv", eprint="2007.02471",
    ),
    "heckel2019": _reference(
        "inproceedings", "Heckel, Reinhard and Hand, Paul",
        "Deep Decoder: Concise Image Representations from Untrained Non-convolutional Networks", 2019,
        "International Conference on Learning Representations", eprint="1810.03982",
    ),
    "ulyanov2018": _reference(
        "inproceedings", "Ulyanov, Dmitry and Vedaldi, Andrea and Lempitsky, Victor", "Deep Image Prior", 2018,
        "IEEE Conference on Computer Vision and Pattern Recognition", eprint="1711.10925",
    ),
    "zbontar2018": _reference(
        "misc", "Zbontar, Jure and Knoll, Florian and Sriram, Anuroop and others",
        "{fastMRI}: An Open Dataset and Benchmarks for Accelerated {MRI}", 2018, "arXiv", eprint="1811.08839",
    ),
    "sriram2020": _reference(
        "inproceedings", "Sriram, Anuroop and Zbontar, Jure and Murrell, Tullie and others",
        "End-to-End Variational Networks for Accelerated {MRI} Reconstruction", 2020,
        "Medical Image Computing and Computer Assisted Intervention", eprint="2004.06688",
    ),
    "putzky2019": _reference(
        "misc", "Putzky, Patrick and Karkalousos, Dimitrios and Teuwen, Jonas and others",
        "{i-RIM} applied to the {fastMRI} challenge", 2019, "arXiv", eprint="1910.08952",
    ),
    "pruessmann1999": _reference(
        "article", "Pruessmann, Klaas P. and Weiger, Markus and Scheidegger, Markus B. and Boesiger, Peter",
        "{SENSE}: Sensitivity encoding for fast {MRI}", 1999, "Magnetic Resonance in Medicine",
        volume="42", pages="952--962",
    ),
    "lustig2007": _reference(
        "article", "Lustig, Michael and Donoho, David and Pauly, John M.",
        "Sparse {MRI}: The application of compressed sensing for rapid {MR} imaging", 2007,
        "Magnetic Resonance in Medicine", volume="58", pages="1182--1195",
    ),
    "haldar2014": _reference(
        "article", "Haldar, Justin P.",
        "Low-Rank Modeling of Local k-Space Neighborhoods ({LORAKS}) for Constrained {MRI}", 2014,
        "IEEE Transactions on Medical Imaging", volume="33", pages="668--681",
    ),
    "haldar2015": _reference(
        "inproceedings", "Haldar, Justin P.",
        "Autocalibrated {LORAKS} for fast constrained {MRI} reconstruction", 2015,
        "IEEE International Symposium on Biomedical Imaging", pages="910--913",
    ),
    "haldar2016": _reference(
        "article", "Haldar, Justin P. and Zhuo, Jingwei",
        "{P-LORAKS}: Low-rank modeling of local k-space neighborhoods with parallel imaging data", 2016,
        "Magnetic Resonance in Medicine", volume="75", pages="1499--1514",
    ),
    "rudin1992": _reference(
        "article", "Rudin, Leonid I. and Osher, Stanley and Fatemi, Emad",
        "Nonlinear total variation based noise removal algorithms", 1992, "Physica D", volume="60", pages="259--268",
    ),
    "hammernik2018": _reference(
        "article", "Hammernik, Kerstin and Klatzer, Teresa and Kobler, Erich and others",
        "Learning a variational network for reconstruction of accelerated {MRI} data", 2018,
        "Magnetic Resonance in Medicine", volume="79", pages="3055--3071",
    ),
    "aggarwal2019": _reference(
        "article", "Aggarwal, Hemant K. and Mani, Merry P. and Jacob, Mathews",
        "{MoDL}: Model-Based Deep Learning Architecture for Inverse Problems", 2019,
        "IEEE Transactions on Medical Imaging", volume="38", pages="394--405",
    ),
    "liang2023": _reference(
        "misc", "Liang, Shijun and Nguyen, Van Hoang Minh and Jia, Jinghan and others",
        "Robust {MRI} Reconstruction by Smoothed Unrolling ({SMUG})", 2023, "arXiv", eprint="2312.07784",
    ),
    "kumar2021": _reference(
        "inproceedings", "Kumar, Aounon and Goldstein, Tom",
        "Center Smoothing: Certified Robustness for Networks with Structured Outputs", 2021,
        "Advances in Neural Information Processing Systems", eprint="2102.09701",
    ),
    "saberi2026": _reference(
        "inproceedings", "Saberi, Mahdi and Zhang, Chi and Akcakaya, Mehmet",
        "Training-Free Adversarial Robustness in Computational {MRI}", 2026,
        "International Conference on Machine Learning", eprint="2501.01908",
    ),
    "karras2022": _reference(
        "inproceedings", "Karras, Tero and Aittala, Miika and Aila, Timo and Laine, Samuli",
        "Elucidating the Design Space of Diffusion-Based Generative Models", 2022,
        "Advances in Neural Information Processing Systems", volume="35", eprint="2206.00364",
    ),
    "zhang2025": _reference(
        "inproceedings", "Zhang, Bingliang and Chu, Wenda and Berner, Julius and others",
        "Improving Diffusion Inverse Problem Solving with Decoupled Noise Annealing", 2025,
        "Conference on Computer Vision and Pattern Recognition", eprint="2407.01521",
    ),
    "venkatakrishnan2013": _reference(
        "inproceedings", "Venkatakrishnan, Singanallur V. and Bouman, Charles A. and Wohlberg, Brendt",
        "Plug-and-Play priors for model based reconstruction", 2013,
        "Global Conference on Signal and Information Processing", pages="945--948",
    ),
    "xu2020": _reference(
        "article", "Xu, Xiaojian and Sun, Yu and Liu, Jiaming and Wohlberg, Brendt and Kamilov, Ulugbek S.",
        "Provable Convergence of Plug-and-Play Priors With {MMSE} Denoisers", 2020,
        "IEEE Signal Processing Letters", volume="27", pages="1280--1284", eprint="2005.07685",
    ),
    "ryu2019": _reference(
        "inproceedings", "Ryu, Ernest K. and Liu, Jialin and Wang, Sicheng and Chen, Xiaohan and Wang, Zhangyang and "
        "Yin, Wotao",
        "Plug-and-Play Methods Provably Converge with Properly Trained Denoisers", 2019,
        "International Conference on Machine Learning", eprint="1905.05406",
    ),
    "schlemper2017": _reference(
        "inproceedings", "Schlemper, Jo and Caballero, Jose and Hajnal, Joseph V. and others",
        "A Deep Cascade of Convolutional Neural Networks for {MR} Image Reconstruction", 2017,
        "Information Processing in Medical Imaging", eprint="1703.00555",
    ),
    "yang2018": _reference(
        "article", "Yang, Guang and Yu, Simiao and Dong, Hao and others",
        "{DAGAN}: Deep De-Aliasing Generative Adversarial Networks for Fast Compressed Sensing {MRI} Reconstruction",
        2018, "IEEE Transactions on Medical Imaging", volume="37", pages="1310--1321",
    ),
    "zhu2018": _reference(
        "article", "Zhu, Bo and Liu, Jeremiah Z. and Cauley, Stephen F. and Rosen, Bruce R. and Rosen, Matthew S.",
        "Image reconstruction by domain-transform manifold learning", 2018, "Nature",
        volume="555", pages="487--492",
    ),
    "chen1998": _reference(
        "article", "Chen, Scott Shaobing and Donoho, David L. and Saunders, Michael A.",
        "Atomic decomposition by basis pursuit", 1998, "SIAM Journal on Scientific Computing",
        volume="20", pages="33--61",
    ),
    "vandenberg2008": _reference(
        "article", "van den Berg, Ewout and Friedlander, Michael P.",
        "Probing the {Pareto} frontier for basis pursuit solutions", 2008, "SIAM Journal on Scientific Computing",
        volume="31", pages="890--912",
    ),
    "ma2016": _reference(
        "article", "Ma, Jackie and M{\\\"a}rz, Maximilian",
        "A multilevel based reweighting algorithm with joint regularizers for sparse recovery", 2016, "arXiv",
        eprint="1604.06941",
    ),
    "kutyniok2016": _reference(
        "article", "Kutyniok, Gitta and Lim, Wang-Q and Reisenhofer, Rafael",
        "{ShearLab 3D}: Faithful Digital Shearlet Transforms Based on Compactly Supported Shearlets", 2016,
        "ACM Transactions on Mathematical Software", volume="42",
    ),
    "uecker2014": _reference(
        "article", "Uecker, Martin and Lai, Peng and Murphy, Mark J. and others",
        "{ESPIRiT}: an eigenvalue approach to autocalibrating parallel {MRI}: where {SENSE} meets {GRAPPA}", 2014,
        "Magnetic Resonance in Medicine", volume="71", pages="990--1001",
    ),
    "croce2020": _reference(
        "inproceedings", "Croce, Francesco and Hein, Matthias",
        "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free attacks", 2020,
        "International Conference on Machine Learning", eprint="2003.01690",
    ),
    "madry2018": _reference(
        "inproceedings", "Madry, Aleksander and Makelov, Aleksandar and Schmidt, Ludwig and others",
        "Towards Deep Learning Models Resistant to Adversarial Attacks", 2018,
        "International Conference on Learning Representations", eprint="1706.06083",
    ),
    "jin2017": _reference(
        "article", "Jin, Kyong Hwan and McCann, Michael T. and Froustey, Emmanuel and Unser, Michael",
        "Deep Convolutional Neural Network for Inverse Problems in Imaging", 2017,
        "IEEE Transactions on Image Processing", volume="26", pages="4509--4522", eprint="1611.03679",
    ),
    "uesato2018": _reference(
        "inproceedings", "Uesato, Jonathan and O'Donoghue, Brendan and van den Oord, A{\\\"a}ron and Kohli, Pushmeet",
        "Adversarial Risk and the Dangers of Evaluating Against Weak Attacks", 2018,
        "International Conference on Machine Learning", eprint="1802.05666",
    ),
}  # fmt: skip
OF_PROTOCOL = {
    "rc2021": ("darestani2021",),
    "morshuis2022": ("morshuis2022",),
    "antun2020": ("antun2020",),
    "genzel2020": ("genzel2022",),
}


def used(
    methods: list[str], attacks: list[str], protocol: str | None, fastmri: bool, settings: Collection[str] = ()
) -> list[str]:
    """Choose the publications that a run rests on.

    Args:
        methods: names of the methods.
        attacks: names of the attacks.
        protocol: the published protocol that the run followed, or None.
        fastmri: True if the data were files in fastMRI's layout.
        settings: names of the methods' settings, of which some choose a defence.

    Returns:
        Keys of `REFERENCES`, each once: protocol, methods, defences, coil maps, attacks, data.
    """
    keys = list(OF_PROTOCOL.get(protocol or "", ()))
    known = [METHODS[name] for name in methods if name in METHODS and METHODS[name].papers]
    keys += [key for line in known for key in line.papers]
    keys += [key for name, papers in DEFENCES.items() if name in settings for key in papers]
    # Coil maps from outside are estimated by ESPIRiT unless the data bring them.
    keys += ["uecker2014"] * any(line.maps for line in known)
    keys += [key for name in attacks if name in ATTACKS for key in ATTACKS[name].papers]
    keys += ["zbontar2018"] * fastmri
    return list(dict.fromkeys(keys))


def bibtex(key: str, reference: Reference) -> str:
    """Write a reference as a BibTeX entry."""
    venue = {"article": "journal", "inproceedings": "booktitle", "misc": "howpublished"}[reference.kind]
    fields: dict[str, Any] = {"author": reference.author, "title": reference.title, venue: reference.venue}
    fields |= {"year": reference.year} | reference.more
    fields |= {"archiveprefix": "arXiv"} if "eprint" in reference.more else {}
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items()]
    return f"@{reference.kind}{{{key},\n" + ",\n".join(lines) + "\n}"
