"""What a client may do, as handlers ask for it: with ACLs off, everything."""

from __future__ import annotations

from logflume.broker.refusals import ClusterForbidden, TopicForbidden, TransactionalIdForbidden
from logflume.broker.security.acl import CLUSTER_NAME, OPERATIONS_OF, Operation, Resource
from logflume.coordinator.group_errors import GroupError, GroupRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.broker.connection import Connection
    from logflume.broker.security.authorizer import Authorizer

__all__ = ["NO_OPERATIONS", "Permissions"]

NO_OPERATIONS = -(1 << 31)
"""What stands where a client did not ask for the operations it may do."""


class Permissions:
    """Those of one client, while a request of it is served."""

    __slots__ = ()
    connection: Connection

    @property
    def _guard(self) -> Authorizer | None:
        return self.connection.broker.authorizer

    def may(self, operation: Operation, resource: Resource, name: str) -> bool:
        """Whether it may do this."""
        guard = self._guard
        if guard is None:
            return True
        client = self.connection
        return guard.allows(client.principal, client.client_host[1:], operation, resource, name)

    def may_topic(self, operation: Operation, topic: str) -> bool:
        """Whether it may do this with a topic."""
        return self.may(operation, Resource.TOPIC, topic)

    def may_cluster(self, operation: Operation) -> bool:
        """Whether it may do this with all of the broker."""
        return self.may(operation, Resource.CLUSTER, CLUSTER_NAME)

    def may_some(self, operation: Operation, resource: Resource) -> bool:
        """Whether there may be a resource with which it may do this."""
        guard = self._guard
        if guard is None:
            return True
        client = self.connection
        return guard.allows_some(client.principal, client.client_host[1:], operation, resource)

    def check_topic(self, operation: Operation, topic: str) -> None:
        """Raise TopicForbidden unless it may."""
        if not self.may(operation, Resource.TOPIC, topic):
            raise TopicForbidden(topic=topic)

    def check_cluster(self, operation: Operation) -> None:
        """Raise ClusterForbidden unless it may."""
        if not self.may_cluster(operation):
            raise ClusterForbidden

    def check_transactional_id(self, operation: Operation, transactional_id: str) -> None:
        """Raise TransactionalIdForbidden unless it may."""
        if not self.may(operation, Resource.TRANSACTIONAL_ID, transactional_id):
            raise TransactionalIdForbidden(transactional_id=transactional_id)

    def check_group(self, operation: Operation, group: str) -> None:
        """Raise GroupRefused unless it may."""
        if not self.may(operation, Resource.GROUP, group):
            raise GroupRefused(GroupError.GROUP_AUTHORIZATION_FAILED)

    def operations(self, resource: Resource, name: str = CLUSTER_NAME) -> int:
        """All that it may do with a resource, as bits by the number of Kafka's AclOperation."""
        guard = self._guard
        if guard is None:
            return sum(1 << operation for operation in OPERATIONS_OF[resource])
        client = self.connection
        return guard.operations(client.principal, client.client_host[1:], resource, name)

    def cluster_operations(self) -> int:
        """The same for the cluster, which only those are told who may describe it."""
        may = self.may_cluster(Operation.DESCRIBE)
        return self.operations(Resource.CLUSTER) if may else 0
