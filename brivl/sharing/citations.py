"""The methods paragraph as TeX, and what to cite as BibTeX: the works that a run rests on."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from brivl.core.records import Voxels
from brivl.sharing.methods import Done

BIB = {
    "lu2022": """@article{lu2022,
  title = {Multimodal foundation models are better simulators of the human brain},
  author = {Lu, Haoyu and Zhou, Qiongyi and Fei, Nanyi and Lu, Zhiwu and Ding, Mingyu and Wen, Jingyuan and Du, Changde
            and Zhao, Xin and Sun, Hao and He, Huiguang and Wen, Ji-Rong},
  journal = {arXiv preprint arXiv:2208.08263},
  year = {2022}
}""",
    "duprelatour2022": """@article{duprelatour2022,
  title = {Feature-space selection with banded ridge regression},
  author = {Dupr{\\'e} la Tour, Tom and Eickenberg, Michael and Nunez-Elizalde, Anwar O. and Gallant, Jack L.},
  journal = {NeuroImage},
  volume = {264},
  pages = {119728},
  doi = {10.1016/j.neuroimage.2022.119728},
  year = {2022}
}""",
    "gao2015": """@article{gao2015,
  title = {Pycortex: an interactive surface visualizer for {fMRI}},
  author = {Gao, James S. and Huth, Alexander G. and Lescroart, Mark D. and Gallant, Jack L.},
  journal = {Frontiers in Neuroinformatics},
  volume = {9},
  pages = {23},
  doi = {10.3389/fninf.2015.00023},
  year = {2015}
}""",
    "abraham2014": """@article{abraham2014,
  title = {Machine learning for neuroimaging with scikit-learn},
  author = {Abraham, Alexandre and Pedregosa, Fabian and Eickenberg, Michael and Gervais, Philippe and Mueller, Andreas
            and Kossaifi, Jean and Gramfort, Alexandre and Thirion, Bertrand and Varoquaux, Ga{\\"e}l},
  journal = {Frontiers in Neuroinformatics},
  volume = {8},
  pages = {14},
  doi = {10.3389/fninf.2014.00014},
  year = {2014}
}""",
    "vanessen2012": """@article{vanessen2012,
  title = {Parcellations and hemispheric asymmetries of human cerebral cortex analyzed on surface-based atlases},
  author = {Van Essen, David C. and Glasser, Matthew F. and Dierker, Donna L. and Harwell, John and Coalson, Timothy},
  journal = {Cerebral Cortex},
  volume = {22},
  number = {10},
  pages = {2241--2262},
  doi = {10.1093/cercor/bhr291},
  year = {2012}
}""",
    "tzourio2002": """@article{tzourio2002,
  title = {Automated anatomical labeling of activations in {SPM} using a macroscopic anatomical parcellation of the
           {MNI} {MRI} single-subject brain},
  author = {Tzourio-Mazoyer, N. and Landeau, B. and Papathanassiou, D. and Crivello, F. and Etard, O. and Delcroix, N.
            and Mazoyer, B. and Joliot, M.},
  journal = {NeuroImage},
  volume = {15},
  number = {1},
  pages = {273--289},
  doi = {10.1006/nimg.2001.0978},
  year = {2002}
}""",
    "wang2020": """@article{wang2020,
  title = {{MiniLM}: deep self-attention distillation for task-agnostic compression of pre-trained transformers},
  author = {Wang, Wenhui and Wei, Furu and Dong, Li and Bao, Hangbo and Yang, Nan and Zhou, Ming},
  journal = {arXiv preprint arXiv:2002.10957},
  year = {2020}
}""",
    "liu2023": """@article{liu2023,
  title = {{BrainCLIP}: bridging brain and visual-linguistic representation via {CLIP} for generic natural visual
           stimulus decoding},
  author = {Liu, Yulong and Ma, Yongqiang and Zhou, Wei and Zhu, Guibo and Zheng, Nanning},
  journal = {arXiv preprint arXiv:2302.12971},
  year = {2023}
}""",
    "scotti2023": """@article{scotti2023,
  title = {Reconstructing the mind's eye: {fMRI}-to-image with contrastive learning and diffusion priors},
  author = {Scotti, Paul S. and Banerjee, Atmadeep and Goode, Jimmie and Shabalin, Stepan and Nguyen, Alex and
            Cohen, Ethan and Dempster, Aidan J. and Verlinde, Nathalie and Yundler, Elad and Weisberg, David and
            Norman, Kenneth A. and Abraham, Tanishq Mathew},
  journal = {arXiv preprint arXiv:2305.18274},
  year = {2023}
}""",
    "ma2024": """@misc{ma2024,
  title = {Aligned with {LLM}: a new multi-modal training paradigm for encoding {fMRI} activity in visual cortex},
  author = {Ma and Wang and Hou and Yan},
  note = {arXiv preprint arXiv:2401.03851},
  year = {2024}
}""",
    "luo2023": """@inproceedings{luo2023,
  title = {Brain diffusion for visual exploration: cortical discovery using large scale generative models},
  author = {Luo, Andrew F. and Henderson, Margaret M. and Wehbe, Leila and Tarr, Michael J.},
  booktitle = {Advances in Neural Information Processing Systems},
  note = {arXiv:2306.03089},
  year = {2023}
}""",
    "luo2024": """@inproceedings{luo2024,
  title = {{BrainSCUBA}: fine-grained natural language captions of visual cortex selectivity},
  author = {Luo, Andrew F. and Henderson, Margaret M. and Tarr, Michael J. and Wehbe, Leila},
  booktitle = {International Conference on Learning Representations},
  note = {arXiv:2310.04420},
  year = {2024}
}""",
    "nukrai2022": """@inproceedings{nukrai2022,
  title = {Text-only training for image captioning using noise-injected {CLIP}},
  author = {Nukrai, David and Mokady, Ron and Globerson, Amir},
  booktitle = {Findings of the Association for Computational Linguistics: EMNLP},
  note = {arXiv:2211.00575},
  year = {2022}
}""",
    "gu2022": """@article{gu2022,
  title = {{NeuroGen}: activation optimized image synthesis for discovery neuroscience},
  author = {Gu, Zijin and Jamison, Keith Wakefield and Khosla, Meenakshi and Allen, Emily J. and Wu, Yihan and
            St-Yves, Ghislain and Naselaris, Thomas and Kay, Kendrick and Sabuncu, Mert R. and Kuceyeski, Amy},
  journal = {NeuroImage},
  volume = {247},
  pages = {118812},
  doi = {10.1016/j.neuroimage.2021.118812},
  year = {2022}
}""",
    "subramaniam2024": """@inproceedings{subramaniam2024,
  title = {Revealing vision-language integration in the brain with multimodal networks},
  author = {Subramaniam, Vighnesh and Conwell, Colin and Wang, Christopher and Kreiman, Gabriel and Katz, Boris and
            Cases, Ignacio and Barbu, Andrei},
  booktitle = {International Conference on Machine Learning},
  note = {arXiv:2406.14481},
  year = {2024}
}""",
    "oota2022": """@inproceedings{oota2022,
  title = {Visio-linguistic brain encoding},
  author = {Oota, Subba Reddy and Arora, Jashn and Rowtula, Vijay and Gupta, Manish and Bapi, Raju S.},
  booktitle = {International Conference on Computational Linguistics},
  note = {arXiv:2204.08261},
  year = {2022}
}""",
    "berger1982": """@article{berger1982,
  title = {Multiparameter hypothesis testing and acceptance sampling},
  author = {Berger, Roger L.},
  journal = {Technometrics},
  volume = {24},
  number = {4},
  pages = {295--300},
  year = {1982}
}""",
    "benjamini1995": """@article{benjamini1995,
  title = {Controlling the false discovery rate: a practical and powerful approach to multiple testing},
  author = {Benjamini, Yoav and Hochberg, Yosef},
  journal = {Journal of the Royal Statistical Society: Series B},
  volume = {57},
  number = {1},
  pages = {289--300},
  year = {1995}
}""",
    "tang2023": """@inproceedings{tang2023,
  title = {Brain encoding models based on multimodal transformers can transfer across language and vision},
  author = {Tang, Jerry and Du, Meng and Vo, Vy A. and Lal, Vasudev and Huth, Alexander G.},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {36},
  pages = {29654--29666},
  note = {arXiv:2305.12248},
  year = {2023}
}""",
    "chefer2021": """@inproceedings{chefer2021,
  title = {Generic attention-model explainability for interpreting bi-modal and encoder-decoder transformers},
  author = {Chefer, Hila and Gur, Shir and Wolf, Lior},
  booktitle = {IEEE/CVF International Conference on Computer Vision},
  note = {arXiv:2103.15679},
  year = {2021}
}""",
    "hsu2004": """@article{hsu2004,
  title = {Quantifying variability in neural responses and its application for the validation of model predictions},
  author = {Hsu, Anne and Borst, Alexander and Theunissen, Fr{\\'e}d{\\'e}ric E.},
  journal = {Network: Computation in Neural Systems},
  volume = {15},
  number = {2},
  pages = {91--109},
  year = {2004}
}""",
    "schoppe2016": """@article{schoppe2016,
  title = {Measuring the performance of neural models},
  author = {Schoppe, Oliver and Harper, Nicol S. and Willmore, Ben D. B. and King, Andrew J. and Schnupp, Jan W. H.},
  journal = {Frontiers in Computational Neuroscience},
  volume = {10},
  pages = {10},
  doi = {10.3389/fncom.2016.00010},
  year = {2016}
}""",
    "rolls2020": """@article{rolls2020,
  title = {Automated anatomical labelling atlas 3},
  author = {Rolls, Edmund T. and Huang, Chu-Chung and Lin, Ching-Po and Feng, Jianfeng and Joliot, Marc},
  journal = {NeuroImage},
  volume = {206},
  pages = {116189},
  doi = {10.1016/j.neuroimage.2019.116189},
  year = {2020}
}""",
    "huang2022": """@article{huang2022,
  title = {An extended {Human Connectome Project} multimodal parcellation atlas of the human cortex and subcortical
           areas},
  author = {Huang, Chu-Chung and Rolls, Edmund T. and Feng, Jianfeng and Lin, Ching-Po},
  journal = {Brain Structure and Function},
  volume = {227},
  pages = {763--778},
  doi = {10.1007/s00429-021-02421-6},
  year = {2022}
}""",
    "glasser2016": """@article{glasser2016,
  title = {A multi-modal parcellation of human cerebral cortex},
  author = {Glasser, Matthew F. and Coalson, Timothy S. and Robinson, Emma C. and Hacker, Carl D. and Harwell, John and
            Yacoub, Essa and Ugurbil, Kamil and Andersson, Jesper and Beckmann, Christian F. and Jenkinson, Mark and
            Smith, Stephen M. and Van Essen, David C.},
  journal = {Nature},
  volume = {536},
  pages = {171--178},
  doi = {10.1038/nature18933},
  year = {2016}
}""",
    "deheer2017": """@article{deheer2017,
  title = {The hierarchical cortical organization of human speech processing},
  author = {de Heer, Wendy A. and Huth, Alexander G. and Griffiths, Thomas L. and Gallant, Jack L. and
            Theunissen, Fr{\\'e}d{\\'e}ric E.},
  journal = {Journal of Neuroscience},
  volume = {37},
  number = {27},
  pages = {6539--6557},
  doi = {10.1523/JNEUROSCI.3267-16.2017},
  year = {2017}
}""",
    "lescroart2019": """@article{lescroart2019,
  title = {Human scene-selective areas represent {3D} configurations of surfaces},
  author = {Lescroart, Mark D. and Gallant, Jack L.},
  journal = {Neuron},
  volume = {101},
  number = {1},
  pages = {178--192},
  doi = {10.1016/j.neuron.2018.11.004},
  year = {2019}
}""",
    "winkler2014": """@article{winkler2014,
  title = {Permutation inference for the general linear model},
  author = {Winkler, Anderson M. and Ridgway, Gerard R. and Webster, Matthew A. and Smith, Stephen M. and
            Nichols, Thomas E.},
  journal = {NeuroImage},
  volume = {92},
  pages = {381--397},
  doi = {10.1016/j.neuroimage.2014.01.060},
  year = {2014}
}""",
    "diebold1995": """@article{diebold1995,
  title = {Comparing predictive accuracy},
  author = {Diebold, Francis X. and Mariano, Roberto S.},
  journal = {Journal of Business and Economic Statistics},
  volume = {13},
  number = {3},
  pages = {253--263},
  year = {1995}
}""",
    "hesterberg2015": """@article{hesterberg2015,
  title = {What teachers should know about the bootstrap: resampling in the undergraduate statistics curriculum},
  author = {Hesterberg, Tim C.},
  journal = {The American Statistician},
  volume = {69},
  number = {4},
  pages = {371--386},
  year = {2015}
}""",
    "fei2022": """@article{fei2022,
  title = {Towards artificial general intelligence via a multimodal foundation model},
  author = {Fei, Nanyi and Lu, Zhiwu and Gao, Yizhao and Yang, Guoxing and Huo, Yuqi and Wen, Jingyuan and Lu, Haoyu
            and Song, Ruihua and Gao, Xin and Xiang, Tao and Sun, Hao and Wen, Ji-Rong},
  journal = {Nature Communications},
  volume = {13},
  pages = {3094},
  doi = {10.1038/s41467-022-30761-2},
  year = {2022}
}""",
    "feghhi2024": """@article{feghhi2024,
  title = {What are large language models mapping to in the brain? {A} case against over-reliance on brain scores},
  author = {Feghhi, Ebrahim and Hadidi, Nima and Song, Bryan and Blank, Idan A. and Kao, Jonathan C.},
  journal = {arXiv preprint arXiv:2406.01538},
  year = {2024}
}""",
    "kriegeskorte2009": """@article{kriegeskorte2009,
  title = {Circular analysis in systems neuroscience: the dangers of double dipping},
  author = {Kriegeskorte, Nikolaus and Simmons, W. Kyle and Bellgowan, Patrick S. F. and Baker, Chris I.},
  journal = {Nature Neuroscience},
  volume = {12},
  number = {5},
  pages = {535--540},
  doi = {10.1038/nn.2303},
  year = {2009}
}""",
    "reimers2019": """@article{reimers2019,
  title = {Sentence-{BERT}: sentence embeddings using {Siamese} {BERT}-networks},
  author = {Reimers, Nils and Gurevych, Iryna},
  journal = {arXiv preprint arXiv:1908.10084},
  year = {2019}
}""",
}
_FIELD = re.compile(r"^  (\w+) = \{(.*?)\},?$", re.MULTILINE | re.DOTALL)
_TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "²": r"\textsuperscript{2}",
    "α": r"$\alpha$",
    "−": "$-$",
    "–": "--",
    "×": r"$\times$",
    "‑": "-",
}


def short_reference(key: str) -> tuple[str, str]:
    """Give a work as a text names it, with its address.

    Parameters
    ----------
    key : str
        Key of BIB.

    Returns
    -------
    tuple of str
        For example "Luo et al. (2024)", and the address of the DOI or on arXiv, "" where the entry has neither.
    """
    fields = {name: re.sub(r"[{}]|\\.", "", value) for name, value in _FIELD.findall(BIB[key])}
    authors = [author.split(",")[0] for author in re.split(r"\s+and\s+", fields["author"])]
    named = authors[0] if len(authors) == 1 else " and ".join(authors) if len(authors) == 2 else f"{authors[0]} et al."
    arxiv = re.search(r"arXiv[^\d]*(\d{4}\.\d{5})", f"{fields.get('note', '')} {fields.get('journal', '')}")
    address = f"https://doi.org/{fields['doi']}" if "doi" in fields else ""
    address = address or (f"https://arxiv.org/abs/{arxiv[1]}" if arxiv else "")
    return f"{named} ({fields['year']})", address


def works(done: Done, voxels: Collection[Voxels], cited: Collection[str] = ()) -> list[str]:
    """List the works that a figure of fits rests on.

    Parameters
    ----------
    done : Done
        Fits.
    voxels : collection of Voxels
        Voxels of the subjects.
    cited : collection of str
        Keys of BIB that the sentences about the figure cite.

    Returns
    -------
    list of str
        Keys of BIB, each once.
    """
    models = set(done.answers[0].request.models)
    has_ev = any(answer.result.explainable_variance is not None for answer in done.answers)
    conditions = {
        "lu2022": True,
        "duprelatour2022": True,
        "hsu2004": has_ev,
        "gao2015": any(part.flatmap == "pycortex-S1" for part in voxels),
        "abraham2014": any("fsaverage5" in _drawn_on(part) for part in voxels),
        "vanessen2012": any("fs_LR 32k" in _drawn_on(part) for part in voxels),
        "tzourio2002": any(part.aal is not None for part in voxels),
        "wang2020": "minilm-l6" in models,
        "reimers2019": "minilm-l6" in models,
    }
    return list(dict.fromkeys([*(key for key, used in conditions.items() if used), *cited]))


def _drawn_on(voxels: Voxels) -> tuple[str, ...]:
    return (voxels.flatmap, voxels.surface.template if voxels.surface is not None else "")


def methods_md(text: str, label: str = "") -> str:
    """Give the methods paragraph in Markdown, the label of simulated data first.

    Parameters
    ----------
    text : str
        The paragraph.
    label : str
        "SIMULATED DATA", or "" for measured data.

    Returns
    -------
    str
        Content of methods.md.
    """
    return f"{_labelled(text, label)}\n"


def methods_tex(text: str, references: Sequence[str], label: str = "") -> str:
    """Give the methods paragraph in LaTeX, with citations of `methods_bib`.

    Parameters
    ----------
    text : str
        The paragraph.
    references : sequence of str
        Keys of BIB.
    label : str
        "SIMULATED DATA", or "" for measured data.

    Returns
    -------
    str
        Content of methods.tex.
    """
    return f"% BriVL explorer\n{tex(_labelled(text, label))} \\cite{{{','.join(references)}}}\n"


def methods_bib(references: Sequence[str]) -> str:
    """Give BibTeX of the works that a paragraph cites.

    Parameters
    ----------
    references : sequence of str
        Keys of BIB.

    Returns
    -------
    str
        Content of methods.bib.
    """
    return "\n\n".join(BIB[key] for key in references) + "\n"


def tex(text: str) -> str:
    """Escape every sign that TeX reads as a command.

    Parameters
    ----------
    text : str
        Plain text.

    Returns
    -------
    str
        Text for a TeX file.
    """
    return re.sub("|".join(map(re.escape, _TEX)), lambda match: _TEX[match[0]], text)


def _labelled(text: str, label: str) -> str:
    return f"{label}. {text}" if label else text
