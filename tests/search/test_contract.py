"""Every search method keeps the contract of `foretune.testing.samplers`."""

from foretune.config.schema.search import BayesConfig, SearchConfig
from foretune.testing.samplers import SearchContract, WarmStartContract


class TestRandom(SearchContract):
    def config(self):
        return SearchConfig(method="random")


class TestGrid(SearchContract):
    def config(self):
        return SearchConfig(method="grid")


class TestTpe(SearchContract):
    def config(self):
        return SearchConfig(method="bayes", bayes=BayesConfig(algorithm="tpe"))


class TestGp(SearchContract):
    def config(self):
        return SearchConfig(method="bayes", bayes=BayesConfig(algorithm="gp"))


class TestMeta(WarmStartContract):
    def config(self):
        return SearchConfig(method="meta")
