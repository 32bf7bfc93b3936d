"""Starts Home Assistant with a configuration and lets it look at a picture: python home_assistant.py FOLDER."""

import asyncio
import json
import sys

from homeassistant import bootstrap, config, core, loader

ENTITY = "image_processing.deepstack_object_yard"


async def main(folder: str) -> None:
    """Print the state of the entity after one scan."""
    home = core.HomeAssistant(folder)
    home.config.skip_pip = True
    loader.async_setup(home)
    assert await bootstrap.async_from_config_dict(await config.async_hass_config_yaml(home), home)
    await home.async_start()
    await home.services.async_call("image_processing", "scan", {"entity_id": ENTITY}, blocking=True)
    await home.async_block_till_done()
    state = home.states.get(ENTITY)
    print(json.dumps({"state": state.state, **state.attributes}, default=str))
    await home.async_stop(force=True)


asyncio.run(main(sys.argv[1]))
