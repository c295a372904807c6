"""English words that mean the opposite, or one of several things that exclude each other, and what questions turn on.

Every table is text, one entry a line, so that adding a word needs no code. Words are stemmed when a table is read:
one form of each is enough, unless its stem differs (`buy`, `bought`).
"""

from __future__ import annotations

from typing import Final

AXES: Final = """
include cover contain | exclude omit
allow permit allowed permitted let | ban prohibit forbid forbidden disallow deny block banned prohibited denied
enable activate | disable deactivate
increase raise grow bigger rise boost expand enlarge | decrease reduce lower shrink smaller drop cut lessen
accept approve agree confirm | reject decline refuse deny disapprove
add insert append attach | remove delete subtract detach withdraw
start begin launch resume commence | stop end finish quit halt cease pause terminate
open unlock | close shut lock closed
lock | unlock
freeze | unfreeze
mute | unmute
archive | unarchive
block | unblock
subscribe | unsubscribe
follow | unfollow
install | uninstall
pin | unpin
mount | unmount
buy purchase bought | sell sold selling
lend lent loan | borrow
deposit | withdraw withdrawal withdrew
send sent | receive received
upload | download
import | export
encrypt | decrypt
compress zip | decompress unzip extract
login | logout
optedin | optedout
join enrol | leave quit unsubscribe
arrive arrival | depart departure leave
upgrade | downgrade
connect | disconnect
show display unhide | hide
grant | revoke
hire recruit | fire dismiss sack
win won | lose lost
gain | lose loss lost
profit | loss
teach | learn
employer | employee staff worker
landlord lessor | tenant renter lessee
buyer | seller
sender | recipient receiver
parent | child kid
teacher | student pupil
doctor | patient
debit | credit
debitcard | creditcard
income earnings revenue | expense expenditure spending
asset | liability
import | export
push | pull
encode | decode
serialize | deserialize
serialise | deserialise
ascending | descending
inbound incoming | outbound outgoing
input | output
buffer | flush
entry enter | exit
inside indoor internal | outside outdoor external
internal inward | external outward
before prior earlier | after following later since
within | after outside
noless over above exceed minimum min more | nomore under below maximum max less fewer
most | least fewest
best better | worst worse
cheap cheapest | expensive dearest priciest
high highest tall tallest higher | low lowest short shortest lower
long longest longer | short shortest shorter brief
big biggest large largest | small smallest little tiny
fast fastest quick quickest faster | slow slowest slower
hot hottest warm heat | cold coldest cool
old oldest older | new newest young youngest younger
early earliest | late latest
first | last final
heavy | light
strong | weak
hard difficult | easy simple
rich wealthy | poor
full | empty
wet | dry
spicy | mild
sweet | sour savoury savory
benefit advantage upside pro perk | drawback disadvantage downside con risk
safe harmless | dangerous unsafe harmful hazardous toxic
legal lawful | illegal unlawful
compulsory mandatory obligatory required | optional voluntary
possible | impossible
public | private
temporary temporarily | permanent permanently
manual manually | automatic automatically
positive | negative
success succeed | fail failure failed
healthy | unhealthy sick
true | false
valid | invalid expired
active | inactive
refundable | nonrefundable
taxable | taxfree
paid | unpaid free
pass | fail
upward | downward
left | right
north | south
east | west
male man men boy | female woman women girl
husband | wife
mother mum mom | father dad
brother | sister
son | daughter
love | hate dislike
trust | distrust
save | spend
hypertension | hypotension
hyperglycemia | hypoglycemia
hyperthyroidism | hypothyroidism
acute | chronic
benign | malignant
bull bullish | bear bearish
long | short
fixed | variable floating
horizontal vertically | vertical
synchronous sync | asynchronous async
local locally | remote remotely
online | offline paper
absent | present
attack offence offense | defend defence defense
merge | split
ally friend | enemy
agree | disagree
appear | disappear
approve | disapprove
encourage | discourage
inhale | exhale
acquit | convict
single | return
prescription | overthecounter
create | delete destroy
build | demolish
borrow | repay
truth | lie
sunrise | sunset
"""
"""Opposites: on each line, one end of a scale, a bar, and its other end."""

EVERYDAY_OPPOSITES: Final = """
give gives giving gave given | receive receives receiving received
ok okay good fine alright | bad harmful wrong
"""
"""Opposites that are no words of content elsewhere, so that a text alone with one is never refused."""

FIELDS: Final = """
parts of a day: morning | noon midday | afternoon | evening | night tonight midnight overnight
days: today | tomorrow | yesterday
days of the week: monday | tuesday | wednesday | thursday | friday | saturday | sunday
kinds of days: weekday workday | weekend
months: january | february | march | april | june | july | august | september | october | november | december
seasons: spring | summer | autumn | winter
how often: hourly | daily | weekly | fortnightly | monthly | quarterly | annual annually yearly
hours worked: fulltime | parttime
ages: baby infant | toddler | child kid children | teenager teen | adult | pensioner senior elderly
young animals: puppy | kitten | foal | calf | lamb
animals: dog | cat | horse | rabbit | hamster | cow | pig | sheep | bird | fish
employment: employee | selfemployed | freelancer contractor | volunteer | intern
standing: visitor guest | resident | member | citizen | foreigner
students: undergraduate bachelor | postgraduate master | doctoral phd
reach: domestic | international | regional | global worldwide
plans: free | basic | standard | pro professional | premium | enterprise | business | personal | family | team
classes: economy | business | first
accounts: checking current | savings saving | joint
currencies: dollar usd | euro eur | pound gbp sterling | yen jpy | yuan rmb cny | rupee inr | franc chf
meals: breakfast | lunch | dinner supper
colours: red | blue | green | yellow | black | white | orange | purple | pink | brown | grey gray
sizes: small | medium | large
meat: chicken | beef | pork | lamb | turkey | fish | duck
insurance: home buildings | car motor auto | travel | life | pet | health dental | landlord
relatives: mother | father | brother | sister | son | daughter | husband | wife | uncle | aunt
coworkers: colleague coworker | manager boss | customer client
levels: beginner | intermediate | advanced expert
directions: north | south | east | west
shapes: circle | square | triangle | rectangle | sphere | cube
systems: windows | linux | mac macos | android | ios iphone
environments: production prod | staging | development dev | test testing
languages: python | java | javascript | ruby | rust | golang | php | perl | kotlin | swift | typescript | scala
tongues: english | french | german | spanish | italian | chinese | japanese | korean | russian | arabic | hindi
payment: creditcard | debitcard | cash | cheque | paypal | klarna
transport: car | train | bus | plane flight | ferry | bike bicycle | taxi | tram | boat ship
rooms: kitchen | bathroom | bedroom | garage | garden | loft attic
organs: heart | liver | kidney | lung | brain | stomach | skin
diabetes: type1 | type2
quantifiers: all every each everything everyone | none | both | neither | half
verbs of a file: read | write | delete | copy | rename | move | share
verbs of a claim: claim | approve | reject
verbs of an account: delete | suspend | verify
"""
"""Things that exclude each other: a name for the error message, then its members, each with its other words."""

FLUFF: Final = """
please thanks thank thx cheers hi hello hey morning greetings dear sir madam kindly um uh er so like well just also
really actually exactly basically currently now usually normally typically generally simply quickly ever still
yet even maybe perhaps possibly probably quite very much lot
a an the this that these those there here it its of to in on at for by with from into onto as and or but if then than
is are was were be been being am do does did doing done has have had having will would shall should could can may might
must i me my mine myself we us our ours you your yours he him his she her hers they them their theirs one ones someone
anyone something anything who whom whose which what when where why how about out up down off some any
ok okay fine want wish like need know tell say give let me go come way howto steps step thing things bit
possible able certain particular specific different various another other same own
long often soon far old howmany howlong howoften howold howfar
ask question wondering wonder info information detail details please advise explain describe help
mean means meant work works
ill im ive id
feel think opinion view according moment part during per while through across via between around along regarding
best good great better nice greatest favourite favorite effective useful right proper properly tip tips ever world
happen gain develop ensure find found seem become became people person everyone anybody someone yourself themselves
write real true truly completely seriously generally main mostly yes
difference differ different alike compare
get got make take use put set obtain receive acquire offer provide available stay
safe legal allow allowed permit permitted single possible howmuch calculate compute
"""
"""Words that rarely change which answer is right; where one does, a guard of its own looks for it."""

NEGATIONS: Final = """
unless not no never none nobody nothing neither nor without cannot except excluding avoid prevent refrain hardly
"""
"""Words that turn a sentence, or what follows them, into its opposite."""

QUESTIONS: Final = """
when: when
where: where
who: who whose whom
why: why
cost: howmuch
count: howmany
duration: howlong
frequency: howoften
age: howold
distance: howfar
"""
"""What a question word asks for."""

ANSWERS: Final = """
when: time date day deadline hour due expire
where: location place address city town country area
who: author person inventor founder ceo name winner president creator owner country team
why: reason cause
cost: cost price charge fee rate dose amount quantity allowance limit expense
count: number count quantity amount total population
duration: duration time length day week month hour minute
frequency: frequency
age: age
distance: distance
"""
"""Words by which the same thing is asked for without the question word: `the price of` for `how much is`."""

ALIASES: Final = """
us usa america american
uk britain british
eu europe european
uae emirates
nyc york
ai artificial
js javascript
db database
"""
"""Names of the same thing."""

UNINFLECTED: Final = """
this is was his its us has as does yes bus gas news less plus always business address process access class pass during
morning evening nothing anything everything something king thing bring spring string sing ring wing being need feed
speed seed weed bed red shed indeed family only early daily july reply apply supply fly monthly weekly yearly hourly
quarterly annually series species analysis basis paris texas unless across loss boss lens sometimes afterwards
christmas moment comment payment apartment department document dollies
"""
"""Words that only look as if they had an ending."""

BOUNDS: Final = """
noless nomore over under above below before after within since exceed minimum maximum min max more less
fewer most least fewest until prior later earlier
"""
"""Words that say on which side of a limit something is."""

NUMERALS: Final = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen
"""
"""Words for the numbers from 0 to 19, in their order."""

TENS: Final = """
twenty thirty forty fifty sixty seventy eighty ninety
"""
"""Words for the tens from 20 to 90, in their order."""

ENDINGS: Final = """
ations ation ings ing ments ement edly ed ies ely ly es s
"""
"""Endings that are taken off a word, the first that fits."""

PREPOSITIONS: Final = """
for as with without if when unless from in on at by than during under over against before after until except
"""
"""Words after which a question is narrowed."""
