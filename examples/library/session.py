# A notebook in cells, which may await; Jupyter and editors that know this form run it as it is.

# %%
from pycompose import AsyncStack, Stack, load

project = load("compose.yaml")
print(sorted(project.services))

# %%
stack = AsyncStack("compose.yaml")
await stack.up(wait_timeout=60)  # noqa: F704
for one in await stack.ps():  # noqa: F704
    print(one.service, one.state, one.health)

# %%
print((await stack.exec("web", "cat", "/srv/index.html")).stdout)  # noqa: F704
print(await stack.logs("web"))  # noqa: F704

# %%
Stack("compose.yaml").restart("web", timeout=0)  # without await as well, although a loop is running
await stack.down(volumes=True, timeout=0)  # noqa: F704
