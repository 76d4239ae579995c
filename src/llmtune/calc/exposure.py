"""Who can reach a server, and whether it asks for a key.

Source: vLLM 0.33.0 entrypoints/common/cli_args.py (``--host`` unset listens on every address, ``--uds`` replaces host
and port), entrypoints/serve/middleware/register.py (an empty key is no key; ``--api-key`` wins over ``VLLM_API_KEY``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass
from llmtune.spec.word import is_unknown

if TYPE_CHECKING:
    from llmtune.calc.case import Case
    from llmtune.spec.deployment import Setting
    from llmtune.spec.server import Variable
    from llmtune.spec.span import Span
    from llmtune.spec.surroundings import Fact, Port

EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::", "[::]", "*"})  # noqa: S104 - looked for, not listened on
LOCAL = re.compile(r"localhost|127\.[\d.]+|\[?::1\]?")
DEFAULT_OF_VARIABLE = re.compile(r"\$\{\w+:?-([^{}$]*)\}")
DEFAULT_PORT = 8000
EDGES = ("LoadBalancer", "Ingress", "hostNetwork")  # what lets the world outside a cluster in
TELL_VARIABLES = frozenset({"config", "skypilot"})  # platforms whose files tell all variables, whatever else they lack
EVERYONE, NETWORK, UNSTATED = "everyone", "network", "unstated"


@dataclass(frozen=True, slots=True)
class Exposure:
    """That others can reach the server: how, who (everyone, network, unstated), and the place that says so."""

    how: str
    reach: str
    at: Span | Setting | Fact[str] | Fact[bool] | None = None


def is_local(address: str) -> bool:
    """Whether only the same machine reaches an address.

    >>> is_local("127.0.0.1"), is_local("10.0.0.7")
    (True, False)
    """
    return LOCAL.fullmatch(address.strip()) is not None


def elsewhere(case: Case) -> bool:
    """Whether further settings stand elsewhere: a ``--config`` file on its own is completed by a command line."""
    return case.open_ended or case.server.entry == "config"


def port_of(case: Case) -> int | None:
    """The port that the server listens on; None where it is hidden or there is none."""
    if case.setting("uds") is not None or is_on(case, "headless"):
        return None
    if case.setting("port") is None:
        return None if elsewhere(case) else DEFAULT_PORT
    number = case.number("port")
    return None if number is None else int(number)


def is_on(case: Case, flag: str) -> bool:
    """Whether a switch is on, or may be."""
    setting = case.setting(flag)
    return setting is not None and setting.value is not False


def host_of(setting: Setting) -> str | None:
    """What ``--host`` says, or what it is unless a variable says otherwise; None where nothing tells."""
    if setting.known:
        return str(setting.value)
    found = DEFAULT_OF_VARIABLE.search(setting.words[-1].text) if setting.words else None
    return found[1] if found else None


def exposure(case: Case) -> Exposure | None:
    """How others reach the server; None where they cannot, or nothing says so."""
    if case.setting("uds") is not None or is_on(case, "headless"):
        return None
    setting = case.setting("host")
    host = None if setting is None else host_of(setting)
    if host is not None and is_local(host):
        return None
    around = case.around
    if around.platform in {"kubernetes", "helm"}:
        return _of_cluster(case)
    if around.platform in {"docker", "compose", "quadlet"}:
        return _of_container(case, setting, host)
    if around.platform == "skypilot":
        return _opened(case)
    return _of_host(case, setting, host) if around.platform in {"host", "config"} else None


def _of_cluster(case: Case) -> Exposure | None:
    fact, network = case.around.exposure, case.around.host_network
    way = case.value_of(fact)
    if way == "hostNetwork" or (way is None and case.value_of(network) is True):
        return Exposure("hostNetwork puts it on every address of the node", EVERYONE, fact or network)
    if way in EDGES:
        return Exposure(f"{way} opens it to everyone who reaches the cluster's edge", EVERYONE, fact)
    if way == "NodePort":
        return Exposure("NodePort opens it on every node of the cluster", NETWORK, fact)
    return _published(case)


def _of_container(case: Case, setting: Setting | None, host: str | None) -> Exposure | None:
    network = case.around.host_network
    if case.value_of(network) is not True:
        return _published(case)
    if setting is None and not elsewhere(case):
        return Exposure("the host's network puts it on every address of the machine", NETWORK, network)
    return _of_host(case, setting, host)


def _published(case: Case) -> Exposure | None:
    """The port mapping that lets others in: the server's own, or one that may be."""
    fact, number = case.around.exposure, port_of(case)
    if fact is None or case.value_of(fact) != "published":
        return None
    mappings = {port.span: port for port in case.around.ports if port.role == "published" and _is_open(port)}
    inside = {port.span: port for port in case.around.ports if port.role == "container" and port.number == number}
    own = next((span for span in (*mappings, fact.span) if span in inside), None)
    known = {port.span for port in case.around.ports if port.role == "container"}
    if own is None and number is not None and {*mappings, fact.span} <= known:
        return None  # other ports of the container, every one of them told
    at = own or fact.span
    named = f"port {mappings[at].number}" if at in mappings else "its port"
    where = mappings[at].address if at in mappings else None
    return Exposure(f"{named} is published on {where or 'every address'}", NETWORK, at)


def _opened(case: Case) -> Exposure | None:
    """SkyPilot opens the ports that a task names to the internet."""
    number = port_of(case)
    ports = (port for port in case.around.ports if port.role == "published" and number in {None, port.number})
    return next((Exposure(f"port {port.number} is opened to the internet", NETWORK, port.span) for port in ports), None)


def _is_open(port: Port) -> bool:
    return port.address is None or not (is_unknown(port.address) or is_local(port.address))


def _of_host(case: Case, setting: Setting | None, host: str | None) -> Exposure | None:
    if setting is None:
        if elsewhere(case):
            return None
        return Exposure("it listens on every address unless --host says otherwise", UNSTATED)
    if host is None:
        return None
    if host in EVERY_ADDRESS:
        unless = "" if setting.known else " unless the variable says otherwise"
        return Exposure(f"it listens on every address{unless}", NETWORK, setting)
    return Exposure(f"it listens on {host}", UNSTATED, setting)


def key_of(case: Case) -> Setting | Variable | None:
    """What makes the server ask for a key, or may: ``--api-key``, ``VLLM_API_KEY``."""
    setting = case.setting("api-key")
    if setting is not None and not _is_empty(setting):
        return setting
    variable = case.variable("VLLM_API_KEY")
    return variable if setting is None and variable is not None and variable.value != "" else None


def is_guarded(case: Case) -> bool:
    """Whether something asks clients who they are, or may: a key, a certificate, a middleware of one's own.

    An empty key in Compose is one that is set from outside (``${VLLM_API_KEY:-}``), more often than not.
    """
    if key_of(case) is not None or case.setting("middleware") is not None or hides_variables(case):
        return True
    if case.around.platform == "compose" and (case.setting("api-key") or case.variable("VLLM_API_KEY")):
        return True
    certificates = case.setting("ssl-cert-reqs")
    return certificates is not None and certificates.value != 0


def hides_variables(case: Case) -> bool:
    """Whether variables may be set that the file does not name: by ``env_file``, ``envFrom``, a template."""
    unnamed = any(not item.name or is_unknown(item.name) for item in case.server.variables)
    return unnamed or (not case.around.complete and case.around.platform not in TELL_VARIABLES)


def _is_empty(setting: Setting) -> bool:
    values = setting.value if isinstance(setting.value, list) else [setting.value]
    return setting.known and all(value in {None, ""} for value in values)
