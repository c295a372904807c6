"""English words that may stand for each other in a question."""

from __future__ import annotations

from typing import Final

SYNONYMS: Final = """
get obtain receive acquire gain got gotten
request ask apply
cost price charge fee rate pricing expensive tariff howmuch
start begin commence began begun started
finish complete finalise finalize
create make build generate establish made built set
show display list view see
send submit mail post sent
update change modify edit alter amend switch adjust
fix repair solve resolve troubleshoot mend fixing
delete remove erase deletion wipe
cancel terminate end discontinue cancellation
close shut closing
purchase buy order bought get
sign register enrol enroll join registration subscribe
document paperwork form
book reserve reservation booking
kid child children
quick fast speedy rapid quickly fastest quickest
big large huge
small little tiny
good great nice excellent
find locate discover found lookup
help assist assistance support
error problem issue fault trouble bug failure
phone telephone mobile smartphone
car vehicle automobile
house home
job work employment position occupation
job career
film movie
parcel package
store shop
holiday vacation leave
luggage baggage bag
deadline due cutoff
company firm business organisation organization
staff employee worker
employer boss
doctor gp physician
medicine medication drug medicines
jab vaccine vaccination shot immunisation immunization
salary wage pay
return send
refund reimburse reimbursement moneyback
guarantee warranty
drawback downside disadvantage con
benefit advantage upside pro perk
author writer
write wrote written author
learn study
teach explain
begin start
way method approach technique
step process procedure way
difference differ distinguish compare
earn make
picture photo image photograph
laptop notebook
internet web online
website site webpage
app application
programme program
password passcode
bill invoice
tax levy
flat apartment
rent lease let
landlord lessor
tenant renter
bin trash garbage rubbish waste
cashpoint atm
petrol gas gasoline
autumn fall
film movie
footpath pavement sidewalk
reply respond answer response
question query
buy purchase
choose select pick
use utilise utilize usage used using
need require necessary requirement
want wish like
call ring phone
talk speak chat
meaning mean definition define
example instance sample
amount quantity
weather forecast
danger hazard risk
cause reason
effect impact consequence
happen occur
keep retain
improve enhance better boost
lose lost loss
die death dying dead
believe faith belief religion
live survive life
relation related relationship relate
prolong increase extend
overcome stop handle cope quit
hack compromise
qualify eligibility eligible
substitute alternative replacement replace
improve increase develop
analysis analytics analyse analyze
joke pun
scary frightening
make create produce manufacture develop
weight kg
rich wealthy
clever intelligent smart
sick ill unwell
symptom sign
cure treat treatment remedy
food meal
kill murder
marry marriage wedding
love romance
girl woman female girls women
boy man male men
guy man
people person human individual
country nation
city town
world globe earth
money cash
bank banks
teen teenager adolescent
beginner newbie novice
expert professional
famous known popular
important significant
difficult hard tough
easy simple straightforward
beautiful pretty
true correct right
wrong incorrect false
kind type sort
location place
time hour
track status trace
transfer move
trip travel journey flight fly
file submit
recommend suggest
locate situated located location place address
order parcel package shipment
reset recover
activate enable
deactivate disable
block freeze
calculate compute work
open opening
arrive arrival delivered
deliver delivery shipping ship shipment
subscribe subscription
postpone defer delay
stop quit
visit come
contact reach
lockout locked
restore recover retrieve
upload attach
install installation fitting
configure configuration setup
manual guide tutorial
unblock unclog
renew renewal extend
run execute
bug defect
deploy release
login signin
own possess
tell know
view see look watch
check verify confirm examine inspect
choose choice option
opening opened open hours
claim apply request
report tell notify inform complain
leave exit quit
end finish expire expiry
expire lapse
extend renew lengthen
settle pay
payment pay
spend pay
fine penalty
discount reduction deal offer
voucher coupon code
free complimentary
eligible entitled qualify
entitlement allowance
limit maximum cap
minimum lowest least
rise increase
join enter
invite add
speak talk contact
replace swap exchange change substitute
broken damaged faulty
mend fix repair
clean wash
trip tour
hotel accommodation
seat place
plane aircraft airplane aeroplane
airport terminal
kid youngster
wife spouse
husband spouse
partner spouse
lawyer solicitor attorney
shipping postage delivery
item product goods
size dimension
text font
letter mail post
notify alert notification
remind reminder
record log
folder directory
computer pc machine
screen display monitor
settings preferences options
username login
hack breach
crash freeze hang
slow sluggish
quit exit close
rubbish garbage
meeting appointment
visit attend
diet food
exercise workout
pain ache hurt
allergy allergic
fever temperature
tablet pill medicine
surgery operation
dentist dental
pregnant pregnancy
weekly week
monthly month
yearly year annual
daily day
graduate graduation
university college
degree diploma
lesson class course
teacher tutor instructor
score grade mark
salary income earnings
invest investment investing
loan borrow credit
mortgage loan
stock share
bill charge
bank account
cashback refund
insure insurance insured coverage
cover covered coverage
protect protection secure safe
security safety
vote election voting
president presidential
government state
war conflict
invent invention inventor
discover discovery
win winner victory
population inhabitant
distance far
tall height high
deep depth
wide width
heavy weight weigh
old age
long length
fast speed
hot temperature warm
strong strength
dry drought
cook prepare recipe
bake cook
eat consume
drink beverage
restaurant eatery diner
dish meal
train railway rail
bicycle bike cycle
drive driving driver
road street
park parking
fly flight airline
swim swimming
paint painting
sing song singer
dance dancing
photo photography
hire employ recruit
resign quit
retire retirement pension
permit permission
require requirement mandatory compulsory
legal law lawful
crime criminal
steal theft stolen
code coding programming
history past previous
speak spoken speaking
human agent representative
revoke delete remove
programming software
invest buy
allow permit let allowed permitted
ban prohibit forbid forbidden banned prohibited disallow
child kid kids
baby infant babies
old elderly
movie film
rule regulation
law legislation
policy plan
exam test
school college
university uni
employee staff
client customer
user person
provider supplier
insurer insurance
colour color
centre center
cheque check
neighbour neighbor
favourite favorite
licence license
organise organize
instalment installment
cancelled canceled
"""
"""Words that may stand for each other in a question, one group a line; a word may stand in several."""
