"""Which vendor a registry is, and what the template offers."""

from __future__ import annotations

import pytest
from tests.unit.template.parts import PARAMETERS

from geosync.errors import ConfigurationError
from geosync.oci.deadline import Deadline
from geosync.registries import vendors
from geosync.registries.opening import open_registry
from geosync.registries.registry import Registry
from geosync.registries.secrets import RegistrySecret, VendorAccess


def test_an_unknown_host_is_plain_and_a_named_vendor_is_taken_at_its_word() -> None:
    assert vendors.find("https://registry.example.com:5000") is Registry
    for vendor in vendors.VENDORS:
        assert vendors.find("https://registry.example.com", vendor.NAME) is vendor


def test_an_unknown_vendor_is_a_clear_error() -> None:
    with pytest.raises(ConfigurationError, match="vendor must be one of auto, plain"):
        open_registry("https://registry.example.com", None, vendor="nobody", deadline=Deadline())


def test_no_vendor_takes_another_s_host_or_name_or_types_of_secret() -> None:
    assert len(set(vendors.NAMES)) == len(vendors.NAMES)
    types = [name for vendor in vendors.VENDORS for name in vendor.SECRETS]
    assert len(set(types)) == len(types)


@pytest.mark.parametrize("parameter", ["LocalRegistryVendor", "PrimaryRegistryVendor"])
def test_the_template_offers_each_vendor(parameter: str) -> None:
    assert PARAMETERS[parameter]["AllowedValues"] == [vendors.AUTO, *vendors.NAMES]


def test_the_plain_registry_refuses_a_vendors_access() -> None:
    class Other(VendorAccess):
        pass

    with pytest.raises(TypeError, match="Other is another vendor's"):
        Registry("https://registry.example.com", Other(), deadline=Deadline())


def test_the_secret_s_certificates_and_account_reach_the_registry() -> None:
    text = '{"username": "u", "password": "p"}'
    registry = open_registry("https://registry.example.com", text, deadline=Deadline())
    assert registry.credentials == RegistrySecret.parse(text).credentials
