"""Products, policies and customers (specs/http-api.md §8)."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, Response, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from carnet.core.conditions import conditions_from_json
from carnet.core.policies import policy_from_json
from carnet.server.api.admin import views
from carnet.server.api.admin.models import (
    CreateCustomerRequest,
    CreatePolicyRequest,
    CreateProductRequest,
    CustomerReply,
    CustomersReply,
    PoliciesReply,
    PolicyReply,
    ProductReply,
    ProductsReply,
    UpdatePolicyRequest,
)
from carnet.server.api.admin.params import PAGE_SIZE, Cursor, CustomerPath, Limit, PolicyPath, ProductPath
from carnet.server.api.auth import actor_of
from carnet.server.api.preconditions import tagged
from carnet.server.api.reach import within
from carnet.server.domain.customers.commands import CreateCustomer
from carnet.server.domain.customers.service import CustomerService
from carnet.server.domain.policies.commands import CreatePolicy, UpdatePolicy
from carnet.server.domain.policies.service import PolicyService
from carnet.server.domain.products.commands import CreateProduct
from carnet.server.domain.products.service import ProductService

_TAGS: Final = ["Admin"]
_WRITE: Final = ("invalid_argument", "unknown_member", "unavailable")


@post(
    "/products",
    operation_id="createProduct",
    tags=_TAGS,
    response_description="The new product.",
    opt={"problems": (*_WRITE, "already_exists")},
)
async def create_product(
    request: Request[Any, Any, Any], data: JSONBody[CreateProductRequest], products: NamedDependency[ProductService]
) -> Response[ProductReply]:
    """Create a product, with the preset policies `consumer`, `professional` and `enterprise`."""
    command = CreateProduct(id=data.id, name=data.name, metadata=data.metadata)
    made = await products.create(command, actor_of(request))
    return Response(views.product(made), headers={"Location": f"/v1/admin/products/{made.id}"})


@get("/products", operation_id="listProducts", tags=_TAGS, response_description="Products, by slug.")
async def list_products(
    request: Request[Any, Any, Any],
    *,
    products: NamedDependency[ProductService],
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response[ProductsReply]:
    """List products."""
    return views.page(
        request, await products.list(after=cursor, limit=limit, within=within(request)), views.product, ProductsReply
    )


@get(
    "/products/{product:str}",
    operation_id="getProduct",
    tags=_TAGS,
    response_description="The product.",
    opt={"problems": ("product_not_found",)},
)
async def get_product(
    request: Request[Any, Any, Any], product: ProductPath, products: NamedDependency[ProductService]
) -> Response[ProductReply]:
    """Show a product."""
    found = await products.get(product)
    return tagged(request, views.product(found), found.revision)


@post(
    "/policies",
    operation_id="createPolicy",
    tags=_TAGS,
    response_description="The new policy.",
    opt={"problems": (*_WRITE, "bad_policy", "product_not_found", "already_exists")},
)
async def create_policy(
    request: Request[Any, Any, Any], data: JSONBody[CreatePolicyRequest], policies: NamedDependency[PolicyService]
) -> Response[PolicyReply]:
    """Create a policy of a product."""
    command = CreatePolicy(
        product=data.product,
        policy=policy_from_json({"name": data.name, **data.rules.given()}),
        license_type=data.license_type,
        duration_seconds=data.duration_seconds,
        token_algorithm=data.token_algorithm,
        conditions=conditions_from_json(data.conditions.given()),
    )
    return Response(views.policy(await policies.create(command, actor_of(request))))


@get(
    "/policies",
    operation_id="listPolicies",
    tags=_TAGS,
    response_description="Policies of the product, by name.",
    opt={"problems": ("product_not_found",)},
)
async def list_policies(
    request: Request[Any, Any, Any],
    *,
    policies: NamedDependency[PolicyService],
    product: Annotated[str, QueryParameter(name="product", max_length=100, description="The product's slug.")],
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response[PoliciesReply]:
    """List the policies of a product."""
    return views.page(request, await policies.list(product, after=cursor, limit=limit), views.policy, PoliciesReply)


@get(
    "/policies/{product:str}/{name:str}",
    operation_id="getPolicy",
    tags=_TAGS,
    response_description="The policy.",
    opt={"problems": ("policy_not_found",)},
)
async def get_policy(
    request: Request[Any, Any, Any], product: ProductPath, name: PolicyPath, policies: NamedDependency[PolicyService]
) -> Response[PolicyReply]:
    """Show a policy."""
    found = await policies.get(product, name)
    return tagged(request, views.policy(found), found.revision)


@put(
    "/policies/{product:str}/{name:str}",
    operation_id="updatePolicy",
    tags=_TAGS,
    response_description="The policy as it is now.",
    opt={"problems": (*_WRITE, "bad_policy", "policy_not_found")},
)
async def update_policy(
    request: Request[Any, Any, Any],
    product: ProductPath,
    name: PolicyPath,
    data: JSONBody[UpdatePolicyRequest],
    policies: NamedDependency[PolicyService],
) -> Response[PolicyReply]:
    """
    Replace the rules of a policy.

    Licenses under it follow at once; artifacts that are already signed keep what they say until they are refreshed.
    """
    command = UpdatePolicy(
        product=product,
        name=name,
        policy=policy_from_json({"name": name, **data.rules.given()}),
        license_type=data.license_type,
        duration_seconds=data.duration_seconds,
        token_algorithm=data.token_algorithm,
        conditions=None if data.conditions is None else conditions_from_json(data.conditions.given()),
    )
    changed = await policies.update(command, actor_of(request))
    return tagged(request, views.policy(changed), changed.revision)


@post(
    "/customers",
    operation_id="createCustomer",
    tags=_TAGS,
    response_description="The new customer.",
    opt={"problems": _WRITE},
)
async def create_customer(
    request: Request[Any, Any, Any], data: JSONBody[CreateCustomerRequest], customers: NamedDependency[CustomerService]
) -> Response[CustomerReply]:
    """Record a customer."""
    command = CreateCustomer(name=data.name, email=data.email, metadata=data.metadata, products=within(request) or ())
    made = await customers.create(command, actor_of(request))
    return Response(views.customer(made), headers={"Location": f"/v1/admin/customers/{made.id}"})


@get("/customers", operation_id="listCustomers", tags=_TAGS, response_description="Customers, newest first.")
async def list_customers(
    request: Request[Any, Any, Any],
    *,
    customers: NamedDependency[CustomerService],
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response[CustomersReply]:
    """List customers."""
    return views.page(
        request, await customers.list(after=cursor, limit=limit, within=within(request)), views.customer, CustomersReply
    )


@get(
    "/customers/{customer_id:str}",
    operation_id="getCustomer",
    tags=_TAGS,
    response_description="The customer.",
    opt={"problems": ("customer_not_found",)},
)
async def get_customer(
    request: Request[Any, Any, Any], customer_id: CustomerPath, customers: NamedDependency[CustomerService]
) -> Response[CustomerReply]:
    """Show a customer."""
    found = await customers.get(customer_id)
    return tagged(request, views.customer(found), found.revision)


CATALOG_HANDLERS: Final = (
    create_product,
    list_products,
    get_product,
    create_policy,
    list_policies,
    get_policy,
    update_policy,
    create_customer,
    list_customers,
    get_customer,
)
