"""The differences from dockerd that stay. Each pattern is searched in ``call place: ours / dockerd's``."""

from __future__ import annotations

from .compare import Reason

REASONS = (
    Reason(r"IPAM\.Config\[\d\]\.Gateway: \S+ / <missing>", "the gateway that was chosen is told"),
    Reason(r"DockerVersion:", "an image names the engine that made it"),
    Reason(
        r"/networks/\S+/connect status: 404 .*network .* not found",
        "a network that is not there is told at once, not at the next start",
    ),
    Reason(r"/tag status: 400 .*which name shall", "a tag without a name is refused, not ignored"),
    Reason(r"/images/search status: 503 ", "a registry that does not answer is 503"),
    Reason(r"ConsoleSize: ", "what was asked for is shown"),
    Reason(r"body\.Scope: local / bogus|networks body\[\d+\]\.Scope: local / bogus", "every network here is local"),
    Reason(r"Networks\.none: .* / <missing>", "a container without network is on the network none"),
    Reason(r"body\.message: ", "words of one's own beside the same status"),
    Reason(
        r"status: 400 .* / 500 .*(strconv|failed to parse value|invalid filter|syntax error in pattern)",
        "what cannot be read is the client's fault here: 400 as documented",
    ),
    Reason(r"/archive status: 400 .* / 500 ", "what cannot be done with a path or an archive is the request's fault"),
    Reason(r"/attach body", "what is written before the stream begins"),
    Reason(r"bad (DNS option or search domain|nameserver address)", "what no resolver can read is refused at once"),
    Reason(r"/exec status: 400 .*Invalid escape keys.* / 500 ", "what cannot be read is the request's fault"),
    Reason(
        r"/containers/create status: 400 .*invalid user namespace mode.* / 201 ",
        "a mode that there is not is refused, not ignored",
    ),
    Reason(
        r"/containers/create status: 400 .* / 404 .*No such image",
        "what cannot be is told before the image that is not there",
    ),
    Reason(
        r"/exec status: 404 .*No such container.* / 400 .*invalid JSON",
        "the container is looked for before the body is read",
    ),
    Reason(
        r"/networks/create status: 404 .*plugin .* not found.* / 409 .*already exists",
        "what there is no driver for is told before the name that it cannot have",
    ),
    Reason(r"/containers/create status: 400 .*invalid reference format.* / 201 ", "a container has an image"),
    Reason(
        r"/containers/create status: 404 .*does not match the specified platform.* / 400 ",
        "the image of the platform is looked for before the body is read",
    ),
    Reason(r"exec body\.DetachKeys", "shown as they were given, not in Docker's own form"),
    Reason(r"/images/get status: 400 ", "saving nothing is a mistake"),
    Reason(r"a%2Fb/\w+ status: 404 .*page not found", "no container's name has a slash"),
    Reason(r"/volumes/v1/x status: 404", "no volume's name has a slash"),
    Reason(r"/resize status: 200 None / 404", "the size of an exec that has not begun is kept for it"),
    Reason(r"DNSNames: None / ", "names are shown while they resolve"),
    Reason(
        r"/exec/\S+/start status: 409 .* already run'} / 200 ", "told by the status, not on a stream with status 200"
    ),
    Reason(r"cpu-shares is 2", "less than two shares of the processor count as two"),
    Reason(r"status: 400 .*device cgroup rule", "a rule for devices that makes no sense is refused at creation"),
    Reason(r"event missing: container kill .*'signal', '9'", "one SIGKILL is told of once"),
    Reason(
        r"/restart event missing: network ", "a restart keeps its network namespace, and its place in every network"
    ),
    Reason(
        r"/containers/create status: 400 .* / 409 .*already in use by container",
        "what cannot be is told before the name that it cannot have",
    ),
    Reason(r"exist on Windows only", "what Linux does not have is refused"),
    Reason(r"/containers/create event missing: container destroy", "what was refused has never been there"),
    Reason(r"/tag status: 400 .* / 404 .*invalid reference", "a name that cannot be one is the request's fault"),
    Reason(r"status: 400 .* / 500 .*nvalid signal", "a signal that there is not is the request's fault"),
    Reason(r"DeviceRequests\[\d\]\.\w+: <missing>", "what was asked for is shown"),
    Reason(r"body\.State\.Error: ", "words of one's own beside the same state"),
    Reason(
        r"/update (status: 400 .* / (404|200|409|500) |event missing: container update)",
        "what no kernel takes is refused for every container",
    ),
    Reason(
        r"/restart status: 404 .* / 500 .*network .* not found", "a network that is not there is 404, as for a start"
    ),
    Reason(r"EndpointsConfig is nil", "no settings are empty settings: docker-py sends null"),
    Reason(
        r"/containers/create status: 201 .*user configured subnets", "addresses are chosen when the container starts"
    ),
    Reason(r"SizeRw: 0 / <missing>", "nothing written is 0 bytes"),
    Reason(r"list .*Mounts\[\d\]\.Source: \S+ / $", "where a volume lies is told"),
    Reason(r"/start event missing: network ", "a start that fails before its network is made has joined none"),
    Reason(r"/top status: 400 .*ps: error", "arguments that ps does not know are the request's fault"),
    Reason(
        r"(DELETE \S+|/kill|/stop) event \w+: container unpause",
        "whether a killed container is thawed first is a race of Docker's",
    ),
    Reason(r"/images/create status: 400 .* / 500 ", "pulling nothing is the request's fault"),
    Reason(r"driver\.mtu: \d+ / 1500", "the default bridge takes the size of packets from the link to the outside"),
    Reason(r"Networks\.\S+\.NetworkID:  / <id>", "a network that is gone has no id"),
    Reason(r"/start event missing: volume ", "a start that fails before its volumes are mounted has mounted none"),
    Reason(r"/prune status: 400 .* / 500 ", "what cannot be read is the request's fault"),
    Reason(r"status: 400 .* / 500 .*(Unknown option|is not a directory)", "what cannot be is the request's fault"),
    Reason(r"/create status: 201 .* / 500 .*Cannot mkdir", "the working directory is made, and told of, by the start"),
    Reason(r"/create status: 400 .*invalid ulimit type: '", "a limit without a name is refused, not ignored"),
    Reason(r"Config\.Hostname: \S+ / <short>", "with the host's UTS namespace the name is the host's"),
    Reason(r"/create status: 400 .*invalid port specification.* / 201", "a port that is none is refused, not ignored"),
    Reason(r"Sandbox(ID|Key): <set> / $", "a container without network is on the network none"),
    Reason(r"event extra: network (dis)?connect .*'none'", "a container without network is on the network none"),
    Reason(r"BlkioWeight|Block I/O weight|/update body\.Warnings: 0 / 1", "weights of BFQ are applied here"),
    Reason(r"Decoding seccomp profile failed", "what cannot be read is the request's fault"),
    Reason(r"body\.Error\.Message: ", "words of one's own beside the same status"),
    Reason(
        r"/resize status: 200 None / 500 .*timeout waiting", "the size of an exec that has not begun is kept for it"
    ),
    Reason(r"^GET /version body\.", "each engine says what it is"),
    Reason(r"GraphDriver", "storage of one's own"),
    Reason(r"Options\.com\.docker\.network\.bridge\.name: pc", "each instance names its bridge after itself"),
    Reason(
        r"CgroupnsMode: private / host",
        "on control groups v1 dockerd leaves containers in the host's namespace; here they get their own",
    ),
    Reason(r"\.(HostnamePath|HostsPath|ResolvConfPath|LogPath): <set> / $", "paths are known from creation on"),
    Reason(r"\.NetworkID: <id> / $", "the network is known from creation on"),
    Reason(r"OomKillDisable: None / False", "null where nothing was asked for, as dockerd has it on control groups v2"),
)
