"""kinds - the shapes of the Kubernetes objects that this project makes, as far as it uses them: a key that is misspelt or stands in the wrong place is refused.

Written after the API reference; the cluster's own schemas are larger, and say no more about what is used here. What they cannot show, neither can these: that a
cluster runs it.
"""
import jsonschema

TEXT, NUMBER, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
TEXTS, MIXED = {"type": "array", "items": TEXT}, {"type": ["integer", "string"]}
WORDS = {"type": "object", "additionalProperties": TEXT}
ANY = {"type": "object"}
NAME = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "maxLength": 253}


def shape(required="", **keys):
    return {"type": "object", "additionalProperties": False, "properties": keys, "required": required.split()}


def several(of):
    return {"type": "array", "items": of, "minItems": 1}


SELECTOR = shape("matchLabels", matchLabels=WORDS)
GET = shape("httpGet", httpGet=shape("path port", path=TEXT, port=MIXED), periodSeconds=NUMBER, failureThreshold=NUMBER, timeoutSeconds=NUMBER)
KEYS = several(shape("key path", key=TEXT, path=TEXT, mode=NUMBER))
VOLUME = shape("name", name=NAME, configMap=shape("name", name=NAME, items=KEYS), secret=shape("secretName", secretName=NAME, defaultMode=NUMBER, items=KEYS),
               emptyDir=shape(sizeLimit=TEXT))
CONTAINER = shape(
    "name image args securityContext volumeMounts", name=NAME, image={"type": "string", "pattern": "^[^ :]+(:[0-9]+/[^ :]+)?:[^ :]+$"},
    imagePullPolicy={"enum": ["Always", "IfNotPresent", "Never"]}, args=TEXTS, ports=several(shape("name containerPort", name=NAME, containerPort=NUMBER)),
    securityContext=shape(allowPrivilegeEscalation=FLAG, readOnlyRootFilesystem=FLAG, capabilities=shape("drop", drop=TEXTS)),
    startupProbe=GET, livenessProbe=GET, readinessProbe=GET, resources=shape(requests=ANY, limits=ANY),
    volumeMounts=several(shape("name mountPath", name=NAME, mountPath=TEXT, readOnly=FLAG)))
POD = shape(
    "containers securityContext", automountServiceAccountToken=FLAG, terminationGracePeriodSeconds=NUMBER, restartPolicy=TEXT, imagePullSecrets=several(ANY),
    nodeSelector=WORDS, tolerations=several(ANY), affinity=ANY, containers=several(CONTAINER), volumes=several(VOLUME),
    securityContext=shape(runAsNonRoot=FLAG, runAsUser=NUMBER, runAsGroup=NUMBER, fsGroup=NUMBER, fsGroupChangePolicy=TEXT, seccompProfile=shape("type", type=TEXT)))
META = shape("name", name=NAME, labels=WORDS, annotations=WORDS)
PEERS = several(shape(namespaceSelector=SELECTOR, podSelector=SELECTOR, ipBlock=ANY))
PORTS = several(shape("port", port=MIXED, protocol={"enum": ["TCP", "UDP"]}))
CLAIM = shape("accessModes resources", accessModes=TEXTS, storageClassName=TEXT, resources=shape("requests", requests=shape("storage", storage=TEXT)))
ALERT = shape("alert expr labels annotations", alert={"type": "string", "pattern": "^Mailweir[A-Za-z]+$"}, expr=TEXT, labels=WORDS, annotations=WORDS,
              **{"for": {"type": "string", "pattern": "^[0-9]+[smh]$"}})
KINDS = {
    "ConfigMap": ("v1", shape("apiVersion kind metadata data", apiVersion=TEXT, kind=TEXT, metadata=META, data=WORDS)),
    "Secret": ("v1", shape("apiVersion kind metadata data", apiVersion=TEXT, kind=TEXT, metadata=META, type=TEXT, data=WORDS)),
    "Service": ("v1", shape("apiVersion kind metadata spec", apiVersion=TEXT, kind=TEXT, metadata=META, spec=shape(
        "selector ports", type={"enum": ["ClusterIP", "NodePort", "LoadBalancer"]}, externalTrafficPolicy={"enum": ["Local", "Cluster"]}, selector=WORDS,
        ports=several(shape("name port targetPort", name=NAME, port=NUMBER, targetPort=MIXED))))),
    "Pod": ("v1", shape("apiVersion kind metadata spec", apiVersion=TEXT, kind=TEXT, metadata=META, spec=POD)),
    "StatefulSet": ("apps/v1", shape("apiVersion kind metadata spec", apiVersion=TEXT, kind=TEXT, metadata=META, spec=shape(
        "serviceName selector template", serviceName=NAME, replicas=NUMBER, podManagementPolicy=TEXT, selector=SELECTOR,
        template=shape("metadata spec", metadata=shape(labels=WORDS, annotations=WORDS), spec=POD),
        volumeClaimTemplates=several(shape("metadata spec", metadata=META, spec=CLAIM))))),
    "Deployment": ("apps/v1", shape("apiVersion kind metadata spec", apiVersion=TEXT, kind=TEXT, metadata=META, spec=shape(
        "selector template", replicas=NUMBER, selector=SELECTOR, strategy=shape("type", type={"enum": ["RollingUpdate", "Recreate"]}, rollingUpdate=shape(
            maxUnavailable=MIXED, maxSurge=MIXED)), template=shape("metadata spec", metadata=shape(labels=WORDS, annotations=WORDS), spec=POD)))),
    "PodDisruptionBudget": ("policy/v1", shape("apiVersion kind metadata spec", apiVersion=TEXT, kind=TEXT, metadata=META,
                                               spec=shape("maxUnavailable selector", maxUnavailable=MIXED, selector=SELECTOR))),
    "NetworkPolicy": ("networking.k8s.io/v1", shape("apiVersion kind metadata spec", apiVersion=TEXT, kind=TEXT, metadata=META, spec=shape(
        "podSelector policyTypes ingress egress", podSelector=SELECTOR, policyTypes=TEXTS, ingress=several(shape("ports", ports=PORTS, **{"from": PEERS})),
        egress=several(shape("ports", ports=PORTS, to=PEERS))))),
    "ServiceMonitor": ("monitoring.coreos.com/v1", shape("apiVersion kind metadata spec", apiVersion=TEXT, kind=TEXT, metadata=META, spec=shape(
        "selector endpoints", jobLabel=TEXT, selector=SELECTOR, endpoints=several(shape(
            "port path authorization", port=TEXT, path=TEXT, interval=TEXT, authorization=shape("credentials", credentials=shape("name key", name=NAME, key=TEXT))))))),
    "PrometheusRule": ("monitoring.coreos.com/v1", shape("apiVersion kind metadata spec", apiVersion=TEXT, kind=TEXT, metadata=META,
                                                         spec=shape("groups", groups=several(shape("name rules", name=TEXT, rules=several(ALERT)))))),
}


def check(objects):
    """Fails for the first of the objects whose kind is not known here, or whose shape is another."""
    for one in objects:
        version, schema = KINDS[one["kind"]]
        assert one["apiVersion"] == version, one
        jsonschema.validate(one, schema)
