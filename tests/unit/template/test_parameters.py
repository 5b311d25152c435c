import re

import pytest
from tests.support.clock import FakeClock
from tests.unit.template.parts import PARAMETERS, TEMPLATE, refers_to, walk

from geosync.comparing.window import BackfillWindow
from geosync.oci.deadline import Deadline
from geosync.oci.uploads import Upload, UploadLimits
from geosync.pair import selection
from geosync.pair.pace import MIN_CHUNK, Pace
from geosync.pair.settings import PARALLELISM, REFERENCES

TOPIC = "arn:aws:sns:eu-west-1:111122223333:geosync-dublin"
SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:geo/registry-AbCdEf"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
WEB_ACL = "arn:aws:wafv2:eu-west-1:111122223333:regional/webacl/geosync/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
CERTIFICATE = "arn:aws:acm:eu-west-1:111122223333:certificate/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
RANGES = ["203.0.113.0/24", "0.0.0.0/0", "10.0.0.0/8", "255.255.255.255/32"]
NO_RANGES = ["203.0.113.7", "2001:db8::/32", "::/0", "203.0.113.256/24", "203.0.113.0/33", "203.0.113/24"]

ACCEPTED = {
    "SiteName": ["a", "eu", "dublin-2", "a" * 32],
    "PrimaryTopicArn": ["", TOPIC, TOPIC.replace("arn:aws:", "arn:aws-cn:")],
    "LocalRegistryUrl": ["https://registry.example.com", "http://10.0.0.1:5000", "https://registry.example.com/"],
    "LocalRegistrySecretArn": ["", SECRET],
    "PrimaryRegistryUrl": ["", "https://registry.example.com:5050"],
    "PrimaryRegistrySecretArn": ["", SECRET],
    "EcrRoleArns": ["", "arn:aws:iam::111122223333:role/geosync", "arn:aws-cn:iam::111122223333:role/path/geosync"],
    "PrimaryRegistryBucket": ["", "layers", "my.layers-1/registry", "layers/a/b_c"],
    "LocalRegistryBucket": ["", "layers/registry"],
    "PrimaryBucketKmsKeyArn": ["", KEY, KEY.replace("0f1e2d3c", "mrk-0f1e2d3c")],
    "LocalBucketKmsKeyArn": ["", KEY],
    "RepositoryPrefix": ["", "mirror", "group/sub-group", "a__b.c"],
    "IncludeRepositories": ["", "group/**", "library/*, group/[a-m]*/app", "**/app\n**", "a*b?c"],
    "ExcludeRepositories": ["", "group/secret/**"],
    "IncludeTags": ["", "v[0-9]*", "latest,*-Final", "*"],
    "ExcludeTags": ["", "*-rc*", "[!v]*"],
    "NotificationAudience": ["", "https://geo.example.com/api/v4/container_registry_event/events", "geosync-dublin"],
    "NotificationSender": ["", "registry-push@my-project.iam.gserviceaccount.com"],
    "SubnetIds": ["", "subnet-0a1b2c3d", "subnet-0123456789abcdef0"],
    "SecurityGroupIds": ["", "sg-0a1b2c3d"],
    "AllowedHosts": ["", "auth.example.com", "*.example.com, registry:5000", "10.0.0.1 storage.example.com:443"],
    "CustomDomainName": ["", "geo.example.com"],
    "CustomDomainCertificateArn": ["", CERTIFICATE],
    "ReadsTokenUrl": ["", "https://auth.example.com/token", "http://10.0.0.1:5001/jwt/auth"],
    "ReadsTokenService": ["", "container_registry", "registry.docker.io", "Docker registry"],
    "ReadsDomainName": ["", "pull.eu.example.com"],
    "ReadsDomainCertificateArn": ["", CERTIFICATE],
    "NotificationsUrl": ["", "https://geo.example.com/api/v4/container_registry_event/events"],
    "SiteAccountIds": ["", "111122223333"],
    "OptInRegions": ["", "eu-south-1"],
    "KmsKeyArn": ["", KEY],
    "TopicKmsKeyArn": ["", KEY],
    "PrimaryAdminUrl": ["", "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/geo/", "https://geo.example.com"],
    "NotificationSourceRanges": ["", *RANGES],
    "WebAclArn": ["", WEB_ACL],
    "MaxBandwidth": ["0", "1000000", "50000000", "9999999999999"],
    "BackfillWindow": [
        "",
        "Mon-Fri 20:00-06:00 UTC",
        "20:00-06:00",
        "Sat,Sun 00:00-24:00; Mon-Wed,Fri 01:30-02:30",
    ],
    "AdminSourceRanges": ["", *RANGES],
    "ReadsSourceRanges": ["", *RANGES],
    "AdminVpcEndpointIds": ["", "vpce-0a1b2c3d4e5f60718"],
    "AlarmTopicArn": ["", "arn:aws:sns:eu-west-1:111122223333:page-somebody"],
}
REFUSED = {
    "SiteName": ["", "EU", "2nd", "eu-", "a" * 33, "e u"],
    "PrimaryTopicArn": [TOPIC.replace("geosync-", ""), TOPIC + ".fifo", "geosync-dublin"],
    "LocalRegistryUrl": ["", "registry.example.com", "https://u:p@registry.example.com", "https://registry/path"],
    "LocalRegistrySecretArn": ["geo/registry", SECRET + " "],
    "PrimaryRegistryUrl": ["ftp://registry.example.com", "https://registry.example.com?x"],
    "PrimaryRegistrySecretArn": ["geo/registry"],
    "EcrRoleArns": ["geosync", "arn:aws:iam::111122223333:user/geosync"],
    "PrimaryRegistryBucket": ["Layers", "s3://layers", "layers/", "layers//a", "layers/*", "arn:aws:s3:::layers"],
    "LocalRegistryBucket": ["a", "layers/?", "/layers"],
    "PrimaryBucketKmsKeyArn": ["alias/layers", CERTIFICATE],
    "LocalBucketKmsKeyArn": ["alias/layers"],
    "RepositoryPrefix": ["/mirror", "mirror/", "Mirror", "a//b"],
    "IncludeRepositories": [
        "Group/**",
        "/group",
        "group/",
        "group//app",
        "group/a**",
        "a{b,c}",
        "(a|b)",
        "[a",
        "a,b/ c",
    ],
    "ExcludeRepositories": ["group/***", "[]", "group\\app"],
    "IncludeTags": ["a/b", "v**", "{a}", "[", "v1;v2"],
    "ExcludeTags": ["~", "a:b"],
    "NotificationAudience": ["two words", "a" * 256],
    "NotificationSender": ["somebody@example.com", "my-project.iam.gserviceaccount.com"],
    "SubnetIds": ["sg-0a1b2c3d", "subnet-"],
    "SecurityGroupIds": ["subnet-0a1b2c3d"],
    "AllowedHosts": ["https://auth.example.com", "auth.*.com", "*", "a/b", "auth.example.com:"],
    "CustomDomainName": ["localhost", "https://geo.example.com"],
    "CustomDomainCertificateArn": [KEY],
    "ReadsTokenUrl": ["auth.example.com", "https://u:p@auth.example.com", "https://auth.example.com/token?a=b", "'"],
    "ReadsTokenService": ['"', "a'b", "a\\b", "a" * 256],
    "ReadsDomainName": ["localhost", "https://pull.example.com"],
    "ReadsDomainCertificateArn": [KEY],
    "NotificationsUrl": ["https://geo.example.com", "https://u:p@geo.example.com/a", "https://geo.example.com/a?b"],
    "SiteAccountIds": ["1111", "111122223333,444455556666"],
    "OptInRegions": ["Milan", "eu-south-1,ap-east-1"],
    "PrimaryAdminUrl": ["geo.example.com", "https://u:p@geo.example.com", "https://geo.example.com/?a=b"],
    "NotificationSourceRanges": [*NO_RANGES, "registry.example.com"],
    "WebAclArn": [WEB_ACL.replace("regional", "global"), "geosync"],
    "MaxBandwidth": ["", "-1", "1", "999999", "01000000", "1e9", "50 MB/s", "10000000000000"],
    "BackfillWindow": ["always", "Mon-Fri", "24:00-06:00", "20:60-06:00", "mon 20:00-06:00", "20:00-06:00 CET", ";"],
    "AdminSourceRanges": [*NO_RANGES, "office", "203.0.113.0/24,198.51.100.0/24"],
    "ReadsSourceRanges": [*NO_RANGES, "office", "203.0.113.0/24,198.51.100.0/24"],
    "KmsKeyArn": ["alias/geosync", "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"],
    "AdminVpcEndpointIds": ["vpc-0a1b2c3d", "vpce-"],
    "TopicKmsKeyArn": ["alias/aws/sns", CERTIFICATE],
    "AlarmTopicArn": ["page-somebody", "arn:aws:sns:eu-west-1:111122223333:page-somebody.fifo"],
}


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_a_parameter_says_what_it_is_and_refuses_what_it_cannot_be(name: str) -> None:
    parameter = PARAMETERS[name]
    assert parameter["Description"].strip()
    assert parameter["ConstraintDescription"].startswith("must be ")
    assert {"AllowedPattern", "AllowedValues", "MinValue"} & set(parameter)


@pytest.mark.parametrize("name", sorted(name for name, one in PARAMETERS.items() if one["Type"] == "Number"))
def test_a_number_has_both_bounds_and_its_default_is_within(name: str) -> None:
    parameter = PARAMETERS[name]
    if "AllowedValues" in parameter:
        assert parameter["Default"] in parameter["AllowedValues"]
    else:
        assert parameter["MinValue"] <= parameter["Default"] <= parameter["MaxValue"]
        assert f"{parameter['MinValue']} to {parameter['MaxValue']}" in parameter["ConstraintDescription"]


def test_each_pattern_has_samples() -> None:
    with_pattern = {name for name, parameter in PARAMETERS.items() if "AllowedPattern" in parameter}
    assert with_pattern == set(ACCEPTED) == set(REFUSED)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in ACCEPTED.items() for value in values])
def test_a_pattern_accepts(name: str, value: str) -> None:
    assert re.search(PARAMETERS[name]["AllowedPattern"], value)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
def test_a_pattern_refuses(name: str, value: str) -> None:
    assert not re.search(PARAMETERS[name]["AllowedPattern"], value)


def test_the_least_bandwidth_lets_each_worker_end_chunks_in_an_invocation() -> None:
    """Of 885 s, with twice the time that it should take; less than the least is refused."""
    least = min(int(one) for one in ACCEPTED["MaxBandwidth"] if int(one))
    assert str(least - 1) in REFUSED["MaxBandwidth"]
    share = least / PARAMETERS["WorkConcurrency"]["Default"]
    deadline = Deadline(FakeClock())
    deadline.set(885)
    upload = Upload(repository="team/app", location="https://registry.example.com/v2/team/app/blobs/uploads/1")
    limits, rest = UploadLimits(), 10**9
    assert Pace(bound=lambda: share).chunk(rest, deadline, limits, upload) == MIN_CHUNK
    assert share * 885 > 10 * MIN_CHUNK
    assert Pace(bound=lambda: 18_000).chunk(rest, deadline, limits, upload) is None, "as the documentation says"


def test_the_defaults_of_concurrency_are_those_of_the_memory_budget() -> None:
    """tests/hostile/test_memory.py reckons with the library's own numbers."""
    assert PARAMETERS["ReferenceConcurrency"]["Default"] == REFERENCES
    assert PARAMETERS["BlobConcurrency"]["Default"] == PARALLELISM


def test_the_patterns_of_selective_sync_are_those_that_the_functions_read() -> None:
    forms = {"Repositories": selection.REPOSITORY_PATTERNS, "Tags": selection.TAG_PATTERNS}
    for what, form in forms.items():
        for verb in ("Include", "Exclude"):
            assert PARAMETERS[verb + what]["AllowedPattern"] == form


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_a_default_is_one_of_the_accepted(name: str) -> None:
    parameter = PARAMETERS[name]
    if "AllowedPattern" in parameter and "Default" in parameter:
        assert re.search(parameter["AllowedPattern"], parameter["Default"])
    if "AllowedValues" in parameter and "Default" in parameter:
        assert parameter["Default"] in parameter["AllowedValues"]


def test_only_parameters_that_cannot_be_guessed_have_no_default() -> None:
    required = {name for name, parameter in PARAMETERS.items() if "Default" not in parameter}
    assert required == {"SiteName", "SiteRole", "LocalRegistryUrl"}


def test_each_parameter_is_in_one_group_of_the_console_s_form() -> None:
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    listed = [name for group in groups for name in group["Parameters"]]
    assert sorted(listed) == sorted(PARAMETERS)


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_a_parameter_is_used(name: str) -> None:
    used = [
        path
        for section in ("Conditions", "Globals", "Resources")
        for path, node in walk(TEMPLATE[section])
        if refers_to(node, name)
    ]
    assert used


def test_each_output_says_what_it_is_for() -> None:
    for name, output in TEMPLATE["Outputs"].items():
        assert output["Description"].strip(), name


@pytest.mark.parametrize("window", ACCEPTED["BackfillWindow"])
def test_a_window_that_the_template_takes_can_be_parsed(window: str) -> None:
    assert bool(BackfillWindow.parse(window).spans) is bool(window)
